"""A cron expression in the language of whoever looks; `cron.explain` says it in English."""

from typing import Final

from cronsim import CronSim
from django.utils.dates import WEEKDAYS
from django.utils.text import capfirst, get_text_list
from django.utils.translation import get_language, gettext, ngettext

from conversations.triggers.cron import SOME_DAY, explain

#: More times a day than these are no help when each is named.
MAX_TIMES: Final = 6
EVERY_DAY: Final = frozenset(range(1, 32))


def cron_words(expression: str) -> str:
    """“Monday to Friday at 09:00”; what has no short words stays as it is written, and so does what
    `validate_cron` refuses. English has words for everything.
    """
    if (get_language() or "en").startswith("en") or not explain(expression):
        return explain(expression)
    read = CronSim(expression, SOME_DAY)
    if len(read.months) < 12:
        return expression
    days, times = _days(read), _times(read)
    if not days or not times:
        return expression
    return capfirst(gettext("%(days)s %(times)s") % {"days": days, "times": times})


def _times(read: CronSim) -> str:
    minutes, hours = sorted(read.minutes), sorted(read.hours)
    if len(minutes) * len(hours) <= MAX_TIMES:
        named = [f"{hour:02}:{minute:02}" for hour in hours for minute in minutes]
        return gettext("at %s") % get_text_list(named, gettext("and"))
    step = minutes[1] - minutes[0] if len(minutes) > 1 else 60
    if len(hours) < 24 or minutes != list(range(0, 60, step)):
        return ""
    if step == 60:
        return gettext("every hour")
    every = ngettext("every %(count)d minute", "every %(count)d minutes", step)
    return every % {"count": step}


def _days(read: CronSim) -> str:
    """Empty for what is more than some weekdays or some days of the month."""
    numbers = {*read.days, *read.weekdays}
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        return ""
    weekdays = sorted({(number - 1) % 7 for number in read.weekdays})
    if len(weekdays) < 7:
        return _weekdays(weekdays) if read.days == EVERY_DAY else ""
    if read.days == EVERY_DAY:
        return gettext("every day")
    listed = get_text_list([str(day) for day in sorted(read.days)], gettext("and"))
    return gettext("on day %s of the month") % listed


def _weekdays(numbers: list[int]) -> str:
    """Of Monday as 0."""
    names = [str(WEEKDAYS[number]) for number in numbers]
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return gettext("%(first)s to %(last)s") % {"first": names[0], "last": names[-1]}
    return gettext("every %s") % get_text_list(names, gettext("and"))
