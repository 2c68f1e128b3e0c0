"""What the customer hears when a task gives up. Pure."""

from conversations.engine.actions import Action, Finish, GiveUp
from conversations.engine.state import TaskState
from routing.snapshot import TenantSnapshot


def last_word(action: Action, state: TaskState, snapshot: TenantSnapshot) -> Action:
    """`action`; instead of giving up, the polite answer that the agent has for such cases."""
    if not isinstance(action, GiveUp):
        return action
    text = snapshot.failure_answer(state.agent_slug)
    if not text:
        return action
    return Finish(text, state.agent_slug or snapshot.fallback_slug or "", failure=action)
