"""A task's state is a fold over its recorded steps: the same steps always give the same state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from conversations.states import StepKind, StepStatus


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A finished step, as the fold reads it and the store writes it."""

    number: int
    kind: StepKind
    status: StepStatus
    agent_slug: str = ""
    reason: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    llm: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    first_token_ms: float | None = None
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class TaskState:
    """What has happened so far, as far as the next decision needs it."""

    num_steps: int = 0
    agent_slug: str | None = None
    pinned_version_id: UUID | None = None
    fallback_slug: str = ""
    max_steps: int = 10
    answer: str | None = None
    tried: tuple[str, ...] = ()
    failure: tuple[str, str] | None = None

    def after(self, step: StepRecord) -> "TaskState":
        """The state once `step` is recorded."""
        state = replace(self, num_steps=step.number)
        if step.status is StepStatus.FAILED:
            failed = (str(step.output.get("code", "internal")), str(step.output.get("detail", "")))
            return replace(state, failure=failed, tried=(*self.tried, step.agent_slug))
        if step.kind is StepKind.ROUTE:
            return _routed(state, step)
        return replace(
            state, agent_slug=step.agent_slug, answer=str(step.output.get("text", "")), failure=None
        )


def _routed(state: TaskState, step: StepRecord) -> TaskState:
    version = step.output.get("prompt_version_id")
    response = step.output.get("response")
    return replace(
        state,
        agent_slug=step.agent_slug,
        pinned_version_id=UUID(version) if version else None,
        fallback_slug=str(step.output.get("fallback", "")),
        max_steps=int(step.output.get("max_steps", state.max_steps)),
        answer=str(response) if response else None,
    )


def fold(steps: Iterable[StepRecord]) -> TaskState:
    """The state after `steps`, in order."""
    state = TaskState()
    for step in steps:
        state = state.after(step)
    return state
