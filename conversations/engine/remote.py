"""Letting a webhook agent answer: what it is told, and the step of its answer."""

from time import perf_counter
from typing import Any

from conversations.engine.actions import CallModel
from conversations.engine.answer_stream import AnswerStream
from conversations.engine.briefing import MAX_WINDOWS
from conversations.engine.claims import Claim
from conversations.engine.folding import note_for
from conversations.engine.loading import TaskInput
from conversations.engine.performing import failed, in_time, since
from conversations.engine.state import StepRecord, TaskState
from conversations.states import StepKind, StepStatus
from orkesta.errors import OrkestaError
from routing.errors import AgentBadAnswer
from routing.llm.types import Completion
from routing.snapshot import AgentSnapshot
from routing.webhook_agents import WebhookTarget, ask_webhook


def webhook_of(task: TaskInput, slug: str) -> WebhookTarget | None:
    """Where the agent is, when it is a webhook agent."""
    agent = task.snapshot.agents.get(slug)
    return agent.webhook if agent else None


async def call_remote(
    action: CallModel,
    state: TaskState,
    stream: AnswerStream,
    *,
    target: WebhookTarget,
    task: TaskInput,
    claim: Claim,
) -> StepRecord:
    """Let the webhook agent at `target` answer, piece by piece into `stream`. A failure is a failed
    step.
    """
    started, number = perf_counter(), state.num_steps + 1
    agent = task.snapshot.agents[action.agent_slug]
    told = _told(agent, state, task=task, claim=claim)
    try:
        async with in_time(state):
            completion = await _stream(target, told, f"{claim.task_id}:{number}", stream)
    except OrkestaError as exc:
        return failed(StepKind.AGENT, number, agent.slug, exc, started, stream.text)
    return StepRecord(
        number=number,
        kind=StepKind.AGENT,
        status=StepStatus.SUCCEEDED,
        agent_slug=agent.slug,
        reason=action.reason,
        input=told,
        output={
            "text": stream.text,
            "endpoint": completion.endpoint,
            "attempts": completion.attempts,
        },
        first_token_ms=completion.first_token_ms,
        duration_ms=since(started),
    )


async def _stream(
    target: WebhookTarget, told: dict[str, Any], webhook_id: str, stream: AnswerStream
) -> Completion:
    async for piece in ask_webhook(target, told, webhook_id=webhook_id):
        if isinstance(piece, Completion):
            await stream.close()
            return piece
        await stream.push(piece)
    raise AgentBadAnswer


def _told(
    agent: AgentSnapshot, state: TaskState, *, task: TaskInput, claim: Claim
) -> dict[str, Any]:
    """The body of the request: plain JSON data."""
    is_other = state.agent_slug is not None and agent.slug != state.agent_slug
    first = task.turns_before(MAX_WINDOWS * agent.history_turns)
    return {
        "type": "agent.message",
        "tenant": task.snapshot.slug,
        "agent": agent.slug,
        "session_id": str(claim.session_id),
        "task_id": str(claim.task_id),
        "message": task.text,
        "history": [
            {"role": said.role, "content": said.content}
            for said in task.history
            if said.turn >= first
        ],
        "summary": task.summary,
        "note": note_for(state) if is_other else state.note,
        "context": dict(task.context),
        "user": {"id": task.user_ref, "name": task.user_name},
    }
