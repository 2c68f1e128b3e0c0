"""How far a session has come: its first message, its turns, its agent, its silence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from routing.rules.values import (
    RoutableMessage,
    RuleInvalid,
    SessionState,
    check_keys,
    read_texts,
)

#: Turns are counted no further: an agent is not told of more, and so no more are read.
MAX_TURNS: Final = 10
MAX_AGENTS: Final = 50
MAX_IDLE_MINUTES: Final = 60 * 24 * 365
_KEYS: Final = ("is_first_message", "min_turns", "max_turns", "agents", "min_idle_minutes")


@dataclass(frozen=True, slots=True)
class SessionCondition:
    """Everything that is asked for holds of the session as it was before the message."""

    min_turns: int
    max_turns: int
    agents: frozenset[str]
    min_idle_seconds: float

    def match(self, message: RoutableMessage) -> str | None:
        state = message.session
        turns = min(state.num_turns, MAX_TURNS)
        if not self.min_turns <= turns <= self.max_turns:
            return None
        if self.agents and state.active_agent not in self.agents:
            return None
        if self.min_idle_seconds and (state.idle_seconds or 0.0) < self.min_idle_seconds:
            return None
        return _told(state)


def session_condition(condition: Mapping[str, Any]) -> SessionCondition:
    """From one or more of `is_first_message`, `min_turns`, `max_turns` (turns before this one, 10
    standing for 10 or more), `agents` (slugs), `min_idle_minutes`. Raises `RuleInvalid`.
    """
    check_keys(condition, _KEYS)
    if not condition:
        raise RuleInvalid(f"At least one of these is needed: {', '.join(_KEYS)}.")
    fewest = int(_number(condition, "min_turns", default=0, most=MAX_TURNS))
    most = int(_number(condition, "max_turns", default=MAX_TURNS, most=MAX_TURNS))
    is_first = condition.get("is_first_message")
    if is_first is not None and not isinstance(is_first, bool):
        raise RuleInvalid('"is_first_message" is true or false.')
    if is_first is not None:
        fewest, most = (fewest, min(most, 0)) if is_first else (max(fewest, 1), most)
    if fewest > most:
        raise RuleInvalid("No number of turns is both at least and at most that.")
    idle = _number(condition, "min_idle_minutes", default=0, most=MAX_IDLE_MINUTES)
    agents = condition.get("agents")
    slugs = read_texts(agents, what="Agents", max_count=MAX_AGENTS) if agents else ()
    return SessionCondition(fewest, most, frozenset(slugs), idle * 60)


def _number(condition: Mapping[str, Any], name: str, *, default: int, most: int) -> float:
    value = condition.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise RuleInvalid(f'"{name}" is a number from 0 to {most}.')
    return value


def _told(state: SessionState) -> str:
    parts = ["first message" if state.num_turns == 0 else f"turn {state.num_turns + 1}"]
    if state.active_agent:
        parts.append(f"with «{state.active_agent}»")
    if state.idle_seconds and state.idle_seconds >= 60:
        parts.append(f"after {state.idle_seconds / 60:.0f} min")
    return " ".join(parts)
