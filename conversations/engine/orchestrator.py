"""The decision: given what has been recorded, what comes next. No clock, no database, no await."""

from typing import Final

from conversations.engine.actions import (
    Action,
    AskHuman,
    CallModel,
    CheckTool,
    Finish,
    Fork,
    GiveUp,
    HandOff,
    Route,
    RunTools,
    Summarise,
)
from conversations.engine.calls import CallKind, PendingCall
from conversations.engine.state import TaskState
from conversations.errors import ErrorsInARow, StepsExhausted, TimeExhausted, TokensExhausted
from conversations.states import InputKind

MAX_ERRORS_IN_A_ROW: Final = 3


def next_action(state: TaskState) -> Action:
    """The one thing to do now.

    Calls that a model asked for are made before it is asked again: those that change nothing
    together, others one after another. A failed agent is replaced once by the tenant's fallback
    agent; when that fails too, the task gives up with the last failure. So does a task that meets
    one of its bounds without an answer.
    """
    if state.answer is not None:
        return Summarise() if state.must_summarise else Finish(state.answer, state.agent_slug or "")
    bound = _bound_met(state)
    if bound is not None:
        return bound
    if state.failure is not None:
        return _after_failure(state, *state.failure)
    if state.calls and state.is_round_begun:
        return _go_on_with(state)
    if state.num_rounds >= state.limits.max_steps:
        return GiveUp(StepsExhausted.code, f"No answer after {state.num_rounds} steps.")
    if state.calls:
        return _go_on_with(state)
    return Route() if state.agent_slug is None else _go_ahead(state, state.agent_slug)


def _go_ahead(state: TaskState, agent_slug: str) -> Action:
    """Let the agent work, or the branches whose turn it is in the plan."""
    if state.group is not None:
        return Fork(state.group.branches)
    return CallModel(agent_slug, why(state))


def why(state: TaskState) -> str:
    """Why this agent, where it was not routed to."""
    if not state.plan:
        return ""
    place = f"Part {state.num_parts_done + 1} of {len(state.plan)}"
    if state.is_branch:
        place = "A branch of a plan"
    instruction = state.part.instruction if state.part else ""
    return f"{place}: {instruction}" if instruction else f"{place}."


def _bound_met(state: TaskState) -> GiveUp | None:
    limits = state.limits
    if state.num_errors >= MAX_ERRORS_IN_A_ROW:
        detail = f"{state.num_errors} errors in a row; the last one: {state.last_error}"
        return GiveUp(ErrorsInARow.code, detail)
    if limits.max_tokens and state.tokens >= limits.max_tokens:
        return GiveUp(TokensExhausted.code, f"No answer after {state.tokens} tokens.")
    if limits.max_seconds and state.milliseconds >= limits.max_seconds * 1000:
        seconds = round(state.milliseconds / 1000)
        return GiveUp(TimeExhausted.code, f"No answer after {seconds} s of work.")
    return None


def _after_failure(state: TaskState, code: str, detail: str) -> Action:
    can_fall_back = state.fallback_slug and state.fallback_slug not in state.tried
    is_out_of_steps = state.num_rounds >= state.limits.max_steps
    # Nobody can stand in for branches that have all failed.
    if state.agent_slug is None or state.group or not can_fall_back or is_out_of_steps:
        return GiveUp(code, detail)
    return CallModel(state.fallback_slug, reason=f"«{state.tried[-1]}» failed ({code}).")


def _go_on_with(state: TaskState) -> Action:
    """The next of the calls that a model asked for."""
    if state.is_parallel:
        return RunTools(state.calls)
    call = state.calls[0]
    if call.problem:
        return RunTools((call,))
    if call.kind is CallKind.ASK_HUMAN:
        return AskHuman(InputKind.QUESTION, call)
    if call.kind is CallKind.HAND_OFF:
        return HandOff(call)
    if call.number and not call.may_repeat:
        return _recover(call)
    if call.risk == "approval" and not call.is_approved:
        return AskHuman(InputKind.APPROVAL, call)
    return RunTools((call,))


def _recover(call: PendingCall) -> Action:
    """A worker died during this call: the tool itself declares what may be done about it."""
    match call.recovery:
        case "idempotent":
            return RunTools((call,))
        case "check":
            return CheckTool(call)
        case _:
            return AskHuman(InputKind.OUTCOME, call)
