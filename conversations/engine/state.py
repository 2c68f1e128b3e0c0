"""What has happened in a task, as far as the next decision needs it; `folding` finds it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from conversations.engine.calls import Exchange, PendingCall
from conversations.plan import Entry, Group, Part
from conversations.states import StepKind, StepStatus

#: About 6,000 tokens.
MAX_BACKLOG_CHARS: Final = 24_000


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step, as the fold reads it and the store writes it. `is_begun`: its row is there already,
    with the status `started`, and is to be completed.
    """

    number: int
    kind: StepKind
    status: StepStatus
    agent_slug: str = ""
    reason: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    prompt_version_id: UUID | None = None
    llm: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    first_token_ms: float | None = None
    duration_ms: float = 0.0
    attempt: int = 0
    is_begun: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a task: those of the agent it was routed to."""

    max_steps: int = 10
    max_tokens: int = 0
    max_seconds: float = 0.0
    history_turns: int = 10

    @classmethod
    def of(cls, output: Mapping[str, Any]) -> "Limits":
        """From a route step's output. 0 is no bound."""
        return cls(
            int(output.get("max_steps", 10)),
            int(output.get("max_task_tokens", 0)),
            float(output.get("max_task_seconds", 0.0)),
            int(output.get("history_turns", 10)),
        )

    def times(self, count: int) -> "Limits":
        """So much for each part of a plan."""
        return replace(
            self,
            max_steps=self.max_steps * count,
            max_tokens=self.max_tokens * count,
            max_seconds=self.max_seconds * count,
        )


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much was said before this turn, and is not in the session's summary."""

    num_turns: int = 0
    num_chars: int = 0

    def is_long(self, window: int) -> bool:
        """Whether it is time for a summary: half of the turns go into it, rarely enough."""
        return self.num_turns >= 2 * window or (
            self.num_turns > 1 and self.num_chars > MAX_BACKLOG_CHARS
        )


DEFAULTS: Final = Limits()
NO_BACKLOG: Final = Backlog()


@dataclass(frozen=True, slots=True)
class TaskState:
    """What has happened so far, as far as the next decision needs it."""

    num_steps: int = 0
    #: Decisions, model calls and messages full of calls: what `max_steps` counts.
    num_rounds: int = 0
    agent_slug: str | None = None
    pinned_version_id: UUID | None = None
    fallback_slug: str = ""
    limits: Limits = DEFAULTS
    answer: str | None = None
    #: Agents that failed, and all that had the task.
    tried: tuple[str, ...] = ()
    had: tuple[str, ...] = ()
    failure: tuple[str, str] | None = None
    #: What the agent and its tools have said to each other.
    exchange: Exchange = ()
    calls: tuple[PendingCall, ...] = ()
    is_parallel: bool = False
    is_round_begun: bool = False
    has_round_failed: bool = False
    #: What an agent tells the one that takes over.
    note: str = ""
    num_errors: int = 0
    last_error: str = ""
    tokens: int = 0
    milliseconds: float = 0.0
    #: The longest of the calls that were made at the same time.
    slowest_ms: float = 0.0
    backlog: Backlog = NO_BACKLOG
    #: Of a workflow: its parts, and how many of them are done.
    plan: tuple[Entry, ...] = ()
    num_parts_done: int = 0
    #: Whether the task is itself a branch of another one's plan.
    is_branch: bool = False

    @property
    def part(self) -> Part | None:
        """The part of the plan that is being done, when one agent does it."""
        return entry if isinstance(entry := self._entry, Part) else None

    @property
    def group(self) -> Group | None:
        """The part of the plan that is being done, when branches do it."""
        return entry if isinstance(entry := self._entry, Group) else None

    @property
    def _entry(self) -> Entry | None:
        return self.plan[self.num_parts_done] if self.num_parts_done < len(self.plan) else None

    @property
    def has_more_parts(self) -> bool:
        return self.num_parts_done + 1 < len(self.plan)

    @property
    def must_summarise(self) -> bool:
        return self.backlog.is_long(self.limits.history_turns)
