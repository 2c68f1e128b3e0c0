"""What the orchestrator may decide to do next. Values only; the runner performs them."""

from dataclasses import dataclass

from conversations.engine.calls import PendingCall
from conversations.plan import Part
from conversations.states import InputKind


@dataclass(frozen=True, slots=True)
class Route:
    """Decide who answers."""


@dataclass(frozen=True, slots=True)
class CallModel:
    """Let this agent answer, streaming; `reason` says why this one when it was not routed to."""

    agent_slug: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunTools:
    """Make these calls, all at the same time; more than one only when none changes anything."""

    calls: tuple[PendingCall, ...]


@dataclass(frozen=True, slots=True)
class CheckTool:
    """Ask what became of a call that was cut off, and make it when it never arrived."""

    call: PendingCall


@dataclass(frozen=True, slots=True)
class AskHuman:
    """Let the task wait for a person."""

    kind: InputKind
    call: PendingCall


@dataclass(frozen=True, slots=True)
class Fork:
    """Let tasks of their own do these branches, and wait for all of them."""

    branches: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class HandOff:
    """Let another agent take over."""

    call: PendingCall


@dataclass(frozen=True, slots=True)
class Summarise:
    """Put what was said long ago into the session's rolling summary."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Fail the task, for this reason."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Say the answer and complete the task; `failure` is why it is only a polite one."""

    content: str
    agent_slug: str
    failure: GiveUp | None = None


Work = Route | CallModel | RunTools | CheckTool | HandOff | Summarise
#: The task waits after these, and no worker holds it.
Wait = AskHuman | Fork
Action = Work | Wait | Finish | GiveUp
