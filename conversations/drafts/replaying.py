"""One message of the past, once more: the same decisions as for a task, with other words told.

The route is decided anew, the agent's LLM is asked, and the engine's own orchestrator says what
comes next. But nothing of it is a task: nobody hears the answer, no tool is called, no person is
asked, and no webhook agent is.
"""

from dataclasses import dataclass, replace
from typing import Any

from conversations.drafts.recorded import RecordedHand
from conversations.engine.actions import (
    AskHuman,
    CallModel,
    CheckTool,
    Finish,
    GiveUp,
    HandOff,
    Route,
    RunTools,
    Summarise,
)
from conversations.engine.answer_stream import AnswerStream
from conversations.engine.claims import Claim
from conversations.engine.folding import after, fold
from conversations.engine.last_word import last_word
from conversations.engine.loading import TaskInput, load, recorded_steps
from conversations.engine.orchestrator import next_action
from conversations.engine.performing import Performer
from conversations.engine.remote import webhook_of
from conversations.engine.state import StepRecord, TaskState
from conversations.models import Task
from conversations.states import InputKind, StepKind
from prompts.models import PromptVersion
from prompts.replay_models import PromptReplayMessage, ReplayOutcome
from prompts.replays import Answered
from routing.drafted import draft_snapshot
from routing.gateway import Gateway


@dataclass(frozen=True, slots=True)
class PastTask:
    """A task of the past, ready to be run anew."""

    claim: Claim
    input: TaskInput
    hand: RecordedHand


class Unheard(AnswerStream):
    """An answer that nobody listens to."""

    async def push(self, piece: str) -> None:
        self.text += piece

    async def close(self) -> None:
        """There is nobody to tell the rest."""


def load_past(version: PromptVersion, message: PromptReplayMessage) -> PastTask | None:
    """The task as it stood when its message came in, with the version told; None when it was
    deleted since. Needs the tenant's scope. Raises what compiling the text does.
    """
    row = Task.objects.filter(pk=message.task_id, question__isnull=False).first()
    if row is None:
        return None
    claim = Claim(row.pk, row.tenant_id, row.session_id, attempt=1, turn=row.turn)
    task, steps = load(claim), recorded_steps(claim)
    route = next((step for step in steps if step.kind is StepKind.ROUTE), None)
    then: dict[str, Any] = {}
    if route is not None:
        session = route.input.get("session") or {}
        then = {
            "active_agent": str(route.input.get("active_agent") or ""),
            "last_intent": str(session.get("last_intent", "")),
        }
    fresh = replace(task, state=fold(()), snapshot=draft_snapshot(version), **then)
    return PastTask(claim, fresh, RecordedHand(steps))


async def replay_message(
    past: PastTask, message: PromptReplayMessage, gateway: Gateway
) -> Answered:
    """What would be answered now. Tokens and money are for the caller to fill in."""
    state, performer = past.input.state, Performer(past.input, gateway)
    while True:
        action = last_word(next_action(state), state, past.input.snapshot)
        match action:
            case Finish() | GiveUp():
                return _ended(action, state, past, message)
            case Summarise():
                finish = Finish(state.answer or "", state.agent_slug or "")
                return _ended(finish, state, past, message)
            case AskHuman(InputKind.QUESTION, call):
                finish = Finish(str(call.arguments["question"]), state.agent_slug or "")
                return _ended(finish, state, past, message)
            case CallModel(slug) if webhook_of(past.input, slug):
                problem = "A webhook agent answers, and is not called by replays."
                return _answered(slug, "", state, past, message, problem=problem)
        for step in await _perform(action, state, performer, past):
            state = after(state, step)


async def _perform(
    action: Any, state: TaskState, performer: Performer, past: PastTask
) -> list[StepRecord]:
    match action:
        case Route():
            return [await performer.route(state)]
        case CallModel():
            stream = Unheard(past.claim, step_number=state.num_steps + 1, last_seq=0)
            return [await performer.call_model(action, state, stream)]
        case HandOff():
            return [await performer.hand_off(action, state)]
        case RunTools(calls):
            return past.hand.answer_all(calls, state)
        case AskHuman(_, call) | CheckTool(call):
            return past.hand.answer_all([call], state)
    raise AssertionError(action)


def _ended(
    action: Finish | GiveUp, state: TaskState, past: PastTask, message: PromptReplayMessage
) -> Answered:
    match action:
        case Finish(text, slug, failure=None):
            return _answered(slug, text, state, past, message)
        case Finish(text, slug, failure=GiveUp(_, detail)):
            found = _answered(slug, text, state, past, message, problem=detail)
            return replace(found, outcome=ReplayOutcome.FELL_BACK)
        case GiveUp(_, detail):
            slug = state.agent_slug or ""
            found = _answered(slug, "", state, past, message, problem=detail)
            return replace(found, outcome=ReplayOutcome.FAILED)
    raise AssertionError(action)


def _answered(
    slug: str,
    text: str,
    state: TaskState,
    past: PastTask,
    message: PromptReplayMessage,
    *,
    problem: str = "",
) -> Answered:
    outcome = ReplayOutcome.SAME if slug == message.old_agent else ReplayOutcome.CHANGED
    if state.tried and outcome is ReplayOutcome.CHANGED:
        outcome = ReplayOutcome.FELL_BACK
    return Answered(outcome, slug, text, calls=past.hand.calls, problem=problem)
