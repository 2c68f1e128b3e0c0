"""What waits for a person, as the sidebar and the dashboard say it: read once for each page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.translation import gettext as _

from conversations.selectors import list_inputs
from conversations.states import InputKind
from tenants.admin_scope import tenant_of

#: More are not counted: whoever reads "99+" knows enough.
MOST_COUNTED: Final = 100
MAX_QUESTION_CHARS: Final = 90
_ATTRIBUTE: Final = "orkesta_waiting"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request to a person, in one line."""

    id: UUID
    text: str


def read_waiting(request: HttpRequest) -> Sequence[Waiting]:
    """The newest requests of the chosen tenant that wait, at most `MOST_COUNTED`."""
    known: Sequence[Waiting] | None = getattr(request, _ATTRIBUTE, None)
    if known is None:
        known = _read() if tenant_of(request) is not None else ()
        setattr(request, _ATTRIBUTE, known)
    return known


def waiting_badge(request: HttpRequest) -> str:
    """Their number beside the link to them; empty when there are none."""
    number = len(read_waiting(request))
    return f"{MOST_COUNTED - 1}+" if number == MOST_COUNTED else str(number or "")


def _read() -> list[Waiting]:
    rows = (
        list_inputs()
        .select_related(None)
        .annotate(start=Left("question", MAX_QUESTION_CHARS))
        .values_list("id", "kind", "tool_name", "start")[:MOST_COUNTED]
    )
    return [Waiting(id_, _line(kind, tool, start)) for id_, kind, tool, start in rows]


def _line(kind: str, tool: str, question: str) -> str:
    if kind == InputKind.APPROVAL:
        return _("Approve the call of “%(tool)s”") % {"tool": tool}
    if kind == InputKind.OUTCOME:
        return _("What became of the call of “%(tool)s”?") % {"tool": tool}
    return question
