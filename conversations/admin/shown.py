"""How history is put into words and colours, the same on every page."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime, now
from django.utils.translation import gettext as _

#: Colours of unfold's labels.
TASK_LABELS: Final[Mapping[str, str]] = {
    "queued": "",
    "processing": "info",
    "paused": "warning",
    "waiting": "info",
    "input_required": "warning",
    "completed": "success",
    "failed": "danger",
    "cancelled": "",
}
SESSION_LABELS: Final[Mapping[str, str]] = {"open": "success", "closed": "", "expired": "warning"}
#: Longer values are cut where they are shown; the whole is in the API.
MAX_JSON_CHARS: Final = 20_000


def duration(span: timedelta | float | None) -> str:
    """A span of time, or milliseconds, as people say it: «412 ms», «4,7 s», «2 min 5 s»."""
    if span is None:
        return ""
    milliseconds = span.total_seconds() * 1000 if isinstance(span, timedelta) else float(span)
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{number_format(seconds, 1)} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s"


def moment(at: datetime | None) -> str:
    """A point in time in the tenant's zone: the hour today, the day and hour before."""
    if at is None:
        return ""
    here = localtime(at)
    if here.date() == localtime(now()).date():
        return date_format(here, "H:i:s")
    return date_format(here, "j M, H:i")


def ago(at: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0, int((now() - at).total_seconds()))
    if seconds < 60:
        return _("just now")
    for size, text in ((86_400, _("%d d ago")), (3_600, _("%d h ago")), (60, _("%d min ago"))):
        if seconds >= size:
            return text % (seconds // size)
    return ""


def pretty_json(value: Any) -> str:
    """`value` as indented JSON text, cut when it is very long. The template escapes it."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return text if len(text) <= MAX_JSON_CHARS else f"{text[:MAX_JSON_CHARS]}\n…"
