"""What the orchestrator may decide to do next. Values only; the runner performs them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Route:
    """Decide who answers."""


@dataclass(frozen=True, slots=True)
class CallModel:
    """Let this agent answer, streaming; `reason` says why this one when it was not routed to."""

    agent_slug: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """Say the answer and complete the task."""

    content: str
    agent_slug: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Fail the task, for this reason."""

    code: str
    detail: str


Action = Route | CallModel | Finish | GiveUp
