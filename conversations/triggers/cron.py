"""When a cron expression is due. Pure: the caller brings the time.

Five fields, as Debian's cron reads them, in a time zone of the IANA database. On the night that
clocks go forward, a time that does not exist is due when they have gone (02:30 at 03:00); on the
night that they go back, a fixed time is due once, the first time, and intervals go on evenly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

#: Missed due times that are counted one by one; beyond, `num_skipped` says "at least so many".
MAX_COUNTED: Final = 10_000
SOME_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Due:
    """The latest due time, and how many before it were missed."""

    at: datetime
    num_skipped: int


def validate_cron(expression: str) -> None:
    """Raises ValidationError when it is no expression of five fields, or is never due."""
    try:
        if len(expression.split()) == 5 and next(CronSim(expression, SOME_DAY), None) is not None:
            return
    except CronSimError:
        pass
    raise ValidationError(
        _("This is not a time: write minute, hour, day, month and weekday, as in “30 8 * * 1-5”."),
        code="cron_invalid",
    )


def explain(expression: str) -> str:
    """The expression in English words; none for what `validate_cron` refuses."""
    try:
        return str(CronSim(expression, SOME_DAY).explain())
    except CronSimError:
        return ""


def next_due(expression: str, time_zone: str, *, after: datetime) -> datetime:
    """The first due time later than `after`, in UTC."""
    return next(_due_times(expression, time_zone, after=after))


def latest_due(expression: str, time_zone: str, *, first: datetime, now: datetime) -> Due:
    """Of the due times from `first`, which has come, to `now`: the last, and how many before it."""
    latest, skipped = first, 0
    for at in _due_times(expression, time_zone, after=first):
        if at > now:
            return Due(latest, skipped)
        latest, skipped = at, skipped + 1
        if skipped >= MAX_COUNTED:
            break
    # Years of minutes: look from the other end instead of counting on.
    backwards = CronSim(expression, now.astimezone(ZoneInfo(time_zone)), reverse=True)
    return Due(max(latest, next(backwards).astimezone(UTC)), skipped)


def _due_times(expression: str, time_zone: str, *, after: datetime) -> Iterator[datetime]:
    last = after
    for local in CronSim(expression, after.astimezone(ZoneInfo(time_zone))):
        at = local.astimezone(UTC)
        # cronsim counts fixed times on the wall clock, which shows an hour twice when clocks go
        # back: begun in the second one it would name a time in the first, which is past.
        if at > last:
            last = at
            yield at
