"""What a person is asked, in words, and until when."""

from datetime import timedelta
from typing import Any, Final

import orjson
from django.conf import settings
from django.utils import timezone

from conversations.engine.actions import AskHuman
from conversations.engine.claims import Claim
from conversations.engine.loading import TaskInput
from conversations.engine.state import StepRecord, TaskState
from conversations.input_models import InputRequest
from conversations.states import Audience, InputKind, StepKind, StepStatus

MAX_SHOWN_CHARS: Final = 1500


def asking_step(action: AskHuman, state: TaskState) -> StepRecord:
    """The step that begins with the request; what a person says completes it."""
    call = action.call
    given: dict[str, Any] = {
        "kind": action.kind,
        "call_id": call.id,
        "name": call.name,
        "arguments": dict(call.arguments),
        "question": question_of(action),
    }
    if action.kind is InputKind.OUTCOME:
        given["call_step"] = call.number
    return StepRecord(
        number=state.num_steps + 1,
        kind=StepKind.HUMAN,
        status=StepStatus.STARTED,
        agent_slug=state.agent_slug or "",
        input=given,
    )


def request_of(claim: Claim, action: AskHuman, step: StepRecord, task: TaskInput) -> InputRequest:
    """The row that waits for the answer."""
    agent = task.snapshot.agents.get(step.agent_slug)
    hours = (agent.answer_hours if agent else None) or settings.ORKESTA_INPUT_HOURS
    is_question = action.kind is InputKind.QUESTION
    asked = action.call.arguments.get("audience", Audience.STAFF)
    return InputRequest(
        tenant_id=claim.tenant_id,
        task_id=claim.task_id,
        step_number=step.number,
        kind=action.kind,
        question=step.input["question"],
        agent_slug=step.agent_slug,
        tool_name="" if is_question else action.call.name,
        arguments={} if is_question else dict(action.call.arguments),
        audience=asked if is_question else Audience.STAFF,
        expires_at=timezone.now() + timedelta(hours=hours),
    )


def question_of(action: AskHuman) -> str:
    """In English; the admin shows kind, tool and arguments in the reader's language."""
    call = action.call
    match action.kind:
        case InputKind.QUESTION:
            return str(call.arguments["question"])
        case InputKind.APPROVAL:
            shown = orjson.dumps(call.arguments).decode()[:MAX_SHOWN_CHARS]
            return f"May {call.name} be called with {shown}?"
        case InputKind.OUTCOME:
            return (
                f"A call of {call.name} was cut off, and nobody knows whether it took effect."
                " Shall it be made again?"
            )
