"""Time windows, by the clock on the tenant's wall.

Wall time is all that counts, so a window opens at nine in summer and in winter; in the night when
clocks are put back, the hour that comes twice is inside both times.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from routing.rules.values import RoutableMessage, RuleInvalid, check_keys

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_WINDOWS: Final = 20
_DAY_MINUTES: Final = 24 * 60
_TIME: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """From one minute of the day to before another. One that ends before it begins goes on past
    midnight, and belongs to the day that it begins on.
    """

    days: frozenset[int]
    begins: int
    ends: int

    def holds(self, day: int, minute: int) -> bool:
        if self.begins < self.ends:
            return day in self.days and self.begins <= minute < self.ends
        since_yesterday = (day - 1) % 7 in self.days and minute < self.ends
        return since_yesterday or (day in self.days and minute >= self.begins)


@dataclass(frozen=True, slots=True)
class TimeCondition:
    """The message came in within one of the windows; outside all of them when `is_outside`."""

    windows: tuple[Window, ...]
    is_outside: bool

    def match(self, message: RoutableMessage) -> str | None:
        at = message.at
        if at is None:
            return None
        day, minute = at.weekday(), at.hour * 60 + at.minute
        is_inside = any(window.holds(day, minute) for window in self.windows)
        if is_inside == self.is_outside:
            return None
        when = f"{DAYS[day]} {at.hour:02}:{at.minute:02}"
        return f"outside the hours ({when})" if self.is_outside else f"within the hours ({when})"


def time_condition(condition: Mapping[str, Any]) -> TimeCondition:
    """From `{"windows": [{"days": ["mon"], "from": "09:00", "to": "18:00"}], "outside": false}`;
    a window without days is of every day. Raises `RuleInvalid`.
    """
    check_keys(condition, ["windows", "outside"])
    windows = condition.get("windows")
    if not isinstance(windows, list) or not 0 < len(windows) <= MAX_WINDOWS:
        raise RuleInvalid(f"Between 1 and {MAX_WINDOWS} time windows are needed.")
    is_outside = condition.get("outside", False)
    if not isinstance(is_outside, bool):
        raise RuleInvalid('"outside" is true or false.')
    return TimeCondition(tuple(map(_window, windows)), is_outside)


def _window(window: Any) -> Window:
    if not isinstance(window, dict):
        raise RuleInvalid("A time window is an object.")
    check_keys(window, ["days", "from", "to"])
    days = window.get("days", list(DAYS))
    if not isinstance(days, list) or not days or not all(day in DAYS for day in days):
        raise RuleInvalid(f"Days are a list of: {', '.join(DAYS)}.")
    begins, ends = _minute(window.get("from")), _minute(window.get("to"))
    if begins in (ends, _DAY_MINUTES):
        raise RuleInvalid("A time window has to begin before it ends.")
    return Window(frozenset(map(DAYS.index, days)), begins, ends)


def _minute(time: Any) -> int:
    found = _TIME.fullmatch(time) if isinstance(time, str) else None
    minute = int(found[1]) * 60 + int(found[2]) if found else _DAY_MINUTES + 1
    if minute > _DAY_MINUTES:
        raise RuleInvalid("Times are written 09:00, from 00:00 to 24:00.")
    return minute
