"""What the engine's writes tell watchers: durable events, before they have their numbers."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from conversations.engine.actions import Finish
from conversations.engine.claims import Claim
from conversations.engine.state import StepRecord
from conversations.event_log import Fact
from conversations.failures import failure
from conversations.input_models import InputRequest
from conversations.models import Message
from conversations.states import StepKind, TaskStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ends, or why it is handed back."""

    status: TaskStatus
    reason: str = ""
    detail: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether it has an error to tell: it failed, or only a polite answer was left."""
        return self.status is TaskStatus.FAILED or self.is_degraded

    @property
    def is_degraded(self) -> bool:
        return self.status is TaskStatus.COMPLETED and bool(self.reason)


def answer_id(task_id: UUID) -> UUID:
    """Id of the message that answers the task: the same in every attempt, so that watchers of a
    restarted answer know which one is meant.
    """
    return uuid5(task_id, "answer")


def of_task(claim: Claim, kind: str, data: dict[str, Any]) -> Fact:
    """Something about the task; of a branch it says whose."""
    if claim.parent_id is not None:
        data["parent_task_id"] = str(claim.parent_id)
    return Fact(kind, data, claim.task_id)


def of_step(claim: Claim, step: StepRecord) -> list[Fact]:
    """What is told of a finished step; of a call also what it was."""
    told = [step_recorded(claim, step)]
    return [tool_called(claim, step), *told] if step.kind is StepKind.TOOL else told


def tool_called(claim: Claim, step: StepRecord) -> Fact:
    """A call that is about to be made, or that has been."""
    data = {
        "number": step.number,
        "name": step.input["name"],
        "arguments": step.input["arguments"],
        "status": step.status,
    }
    return of_task(claim, "tool.called", data)


def input_required(claim: Claim, request: InputRequest) -> Fact:
    data = {
        "request_id": str(request.id),
        "kind": request.kind,
        "question": request.question,
        "tool": request.tool_name,
        "arguments": request.arguments,
        "audience": request.audience,
        "expires_at": request.expires_at.isoformat(),
    }
    return of_task(claim, "input.required", data)


def step_recorded(claim: Claim, step: StepRecord) -> Fact:
    data = {
        "number": step.number,
        "kind": step.kind,
        "status": step.status,
        "agent": step.agent_slug,
        "reason": step.reason[:500],
        "duration_ms": round(step.duration_ms, 3),
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
    }
    return of_task(claim, "step.recorded", data)


def said(claim: Claim, answer: Finish) -> list[Fact]:
    """The answer, as customers are told of it; none, when it is what a branch found."""
    return [] if claim.is_branch else [chat_response(claim, answer)]


def chat_response(claim: Claim, answer: Finish) -> Fact:
    data = {
        "message_id": str(answer_id(claim.task_id)),
        "content": answer.content,
        "role": Message.Role.ASSISTANT,
        "agent": answer.agent_slug,
        "degraded": answer.failure is not None,
    }
    return Fact("chat.response", data, claim.task_id)


def status_changed(claim: Claim, outcome: Outcome) -> Fact:
    data = {"task_id": str(claim.task_id), "status": outcome.status, "attempt": claim.attempt}
    if outcome.reason:
        data["reason"] = outcome.reason
    if outcome.is_degraded:
        data["degraded"] = True
    return of_task(claim, "task.status_changed", data)


def ending(claim: Claim, outcome: Outcome) -> list[Fact]:
    """The new status, after the error that caused it. The error of a branch is told to the agent
    that puts together what branches found, and to no customer.
    """
    facts = [status_changed(claim, outcome)]
    if outcome.status is TaskStatus.FAILED and not claim.is_branch:
        facts.insert(0, Fact("error", failure(outcome.reason, outcome.detail) or {}, claim.task_id))
    return facts
