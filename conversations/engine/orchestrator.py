"""The decision: given what has been recorded, what comes next. No clock, no database, no await."""

from conversations.engine.actions import Action, CallModel, Finish, GiveUp, Route
from conversations.engine.state import TaskState
from conversations.errors import StepsExhausted


def next_action(state: TaskState) -> Action:
    """The one thing to do now.

    A failed agent is replaced once by the tenant's fallback agent; when that fails too, the task
    gives up with the last failure. A task that is not finished after `max_steps` gives up.
    """
    if state.answer is not None:
        return Finish(state.answer, state.agent_slug or "")
    if state.failure is not None:
        return _after_failure(state, *state.failure)
    if state.num_steps >= state.max_steps:
        return GiveUp(StepsExhausted.code, f"No answer after {state.num_steps} steps.")
    if state.agent_slug is None:
        return Route()
    return CallModel(state.agent_slug)


def _after_failure(state: TaskState, code: str, detail: str) -> Action:
    can_fall_back = state.fallback_slug and state.fallback_slug not in state.tried
    if state.agent_slug is None or not can_fall_back or state.num_steps >= state.max_steps:
        return GiveUp(code, detail)
    return CallModel(state.fallback_slug, reason=f"«{state.tried[-1]}» failed ({code}).")
