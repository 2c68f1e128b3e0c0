"""Opening hours as people write them: «lun-vie 09:00-18:00», one window per line."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from routing.rules.hours import DAYS
from routing.words import fold

_LINE: Final = re.compile(r"(?:(.+?)\s+)?(\d{1,2}:\d{2})\s*(?:-|–|a|to)\s*(\d{1,2}:\d{2})")
_NAMES: Final[Mapping[str, Any]] = {
    "mon": _("mon"),
    "tue": _("tue"),
    "wed": _("wed"),
    "thu": _("thu"),
    "fri": _("fri"),
    "sat": _("sat"),
    "sun": _("sun"),
}
#: Days are known by their first three letters, in English and in Spanish.
_NUMBERS: Final[Mapping[str, int]] = {
    name: number
    for names in (DAYS, ("lun", "mar", "mie", "jue", "vie", "sab", "dom"))
    for number, name in enumerate(names)
}


class HoursField(forms.CharField):
    """Time windows, as the condition of a time rule has them."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(hours_lines(value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        lines = [line.strip() for line in str(value or "").splitlines()]
        return [_window(line) for line in lines if line]

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(initial or []) != self.to_python(data))
        except ValidationError:
            return True


def hours_lines(windows: Any) -> list[str]:
    """Time windows as people write them, in the language of the page."""
    found = windows if isinstance(windows, list) else []
    return [_line(window) for window in found if isinstance(window, dict)]


def _window(line: str) -> dict[str, Any]:
    found = _LINE.fullmatch(fold(line))
    if found is None:
        raise ValidationError(
            _("Write «%(line)s» like this: mon-fri 09:00-18:00."), params={"line": line[:60]}
        )
    days, begins, ends = found.groups()
    window: dict[str, Any] = {"from": begins.zfill(5), "to": ends.zfill(5)}
    return {"days": [DAYS[n] for n in sorted(_days(days))], **window} if days else window


def _days(text: str) -> set[int]:
    days: set[int] = set()
    for part in re.split(r"[,;/]|\by\b|\band\b", text):
        ends = re.split(r"-|–|\ba\b|\bto\b", part, maxsplit=1)
        begin, end = _day(ends[0]), _day(ends[-1])
        days.update((begin + n) % 7 for n in range((end - begin) % 7 + 1))
    return days


def _day(name: str) -> int:
    number = _NUMBERS.get(name.strip()[:3])
    if number is None:
        raise ValidationError(_("«%(name)s» is no day."), params={"name": name.strip()[:30]})
    return number


def _line(window: Mapping[str, Any]) -> str:
    numbers = sorted(DAYS.index(day) for day in window.get("days", ()) if day in DAYS)
    names = ", ".join(_runs(numbers))
    hours = f"{window.get('from', '')}-{window.get('to', '')}"
    return f"{names} {hours}".strip() if len(numbers) < len(DAYS) else hours


def _runs(numbers: Iterable[int]) -> Iterable[str]:
    """Days that follow each other as «mon-fri»."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    for run in runs:
        first, last = _NAMES[DAYS[run[0]]], _NAMES[DAYS[run[-1]]]
        yield f"{first}-{last}" if len(run) > 1 else str(first)
