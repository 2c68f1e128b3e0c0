"""What changed between two versions of a row, in words for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.utils.formats import localize
from django.utils.text import capfirst
from django.utils.translation import gettext

from orkesta.api.renderer import to_json

#: Of a long value, so much is shown around the place where it begins to differ.
MAX_CHARS: Final = 240
BEFORE_IT: Final = 40
NOTHING: Final = "—"


@dataclass(frozen=True, slots=True)
class Shown:
    """A column that changed: its label, what it was and what it is."""

    label: str
    before: str
    after: str


def changes_between(older: Any, newer: Any) -> list[Shown]:
    """Both are versions of one row. Needs the scope of its tenant."""
    return list(_changes(older, newer))


def find_missing(version: Any) -> list[str]:
    """Names of the foreign keys that point to what is not there any more."""
    return [
        field.name
        for field in type(version).tracked_fields
        if isinstance(field, models.ForeignKey)
        and getattr(version, field.attname) is not None
        and not _rows(field).filter(pk=getattr(version, field.attname)).exists()
    ]


def _changes(older: Any, newer: Any) -> Iterator[Shown]:
    for field in type(newer).tracked_fields:
        before, after = getattr(older, field.attname), getattr(newer, field.attname)
        if before != after:
            old, new = _cut(_words(field, before), _words(field, after))
            yield Shown(capfirst(str(field.verbose_name)), old, new)


def _words(field: Any, value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return NOTHING
    if isinstance(field, models.ForeignKey):
        row = _rows(field).filter(pk=value).first()
        return str(row) if row is not None else gettext("deleted")
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, list | dict):
        return to_json(value).decode()
    return str(localize(value))


def _rows(field: Any) -> Any:
    return field.remote_field.model._default_manager.all()


def _cut(before: str, after: str) -> tuple[str, str]:
    same = next(
        (n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new),
        min(len(before), len(after)),
    )
    start = max(0, same - BEFORE_IT) if max(len(before), len(after)) > MAX_CHARS else 0
    return _piece(before, start), _piece(after, start)


def _piece(text: str, start: int) -> str:
    piece = text[start : start + MAX_CHARS]
    head, tail = "… " if start else "", " …" if len(text) > start + MAX_CHARS else ""
    return f"{head}{piece}{tail}" if piece else NOTHING
