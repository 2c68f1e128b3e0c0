"""Rows that are inserted together, and get their numbers, in as few statements as the database can.

Their SQL is built once for each number and kind of rows, like that of `orkesta.statements`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connection, models

from orkesta.statements import Statement, statement_cursor, this_connection

#: Rows up to which an INSERT is prepared: each number of them is a statement of its own.
MAX_PREPARED_ROWS: Final = 8
_gathered: ContextVar[list[Sequence[models.Model]] | None] = ContextVar("gathered", default=None)


def insert(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model in one statement, as `bulk_create` does, without reading back the
    keys that the database makes.
    """
    gathered = _gathered.get()
    if gathered is None:
        _insert_all([rows])
    else:
        gathered.append(rows)


@contextmanager
def inserting_together() -> Iterator[None]:
    """Where the database can do so (PostgreSQL), whatever is inserted within is sent at the end, as
    one statement. So read nothing back before, and have a transaction around it.
    """
    if connection.vendor != "postgresql" or _gathered.get() is not None:
        yield
        return
    groups: list[Sequence[models.Model]] = []
    token = _gathered.set(groups)
    try:
        yield
    finally:
        _gathered.reset(token)
    if groups:
        _insert_all(groups)


class Nth(int):
    """A number that is not known yet: so many after the first of those that `number_and_insert`
    takes.
    """


@contextmanager
def collecting() -> Iterator[list[Sequence[models.Model]]]:
    """Whatever is inserted within is not sent, but kept for `number_and_insert`."""
    groups: list[Sequence[models.Model]] = []
    token = _gathered.set(groups)
    try:
        yield groups
    finally:
        _gathered.reset(token)


def number_and_insert(
    groups: Sequence[Sequence[models.Model]],
    *,
    by: Statement,
    count: int,
    values: Mapping[str, Any],
    fence: Statement | None = None,
) -> int | None:
    """Run the update `by`, which takes `count` numbers and returns the last of them, and insert the
    rows, in which every `Nth` then is its number. The first of the numbers; None, and nothing is
    written, when `by` finds no row, or the update `fence`, which locks its row before, finds none.

    One statement where the database can do so (PostgreSQL).
    """
    given = {**values, "count": count}
    if connection.vendor == "postgresql":
        last = _number_and_insert(groups, by, fence, given)
    else:
        if fence is not None and not fence(**given):
            return None
        found = by(**given)
        last = found[0][0] if found else None
    if last is None:
        return None
    first = last - count + 1
    for row in (row for rows in groups for row in rows):
        for name in _promised(row):
            setattr(row, name, first + getattr(row, name))
    if connection.vendor != "postgresql":
        for rows in groups:
            _insert_all([rows])
    return first


def _promised(row: models.Model) -> tuple[str, ...]:
    return tuple(name for name, value in vars(row).items() if type(value) is Nth)


def _number_and_insert(
    groups: Sequence[Sequence[models.Model]],
    by: Statement,
    fence: Statement | None,
    given: Mapping[str, Any],
) -> int | None:
    here = this_connection()
    kinds = tuple((type(row), _promised(row)) for rows in groups for row in rows)
    parts = (fence.built(), by.built()) if fence else (by.built(),)
    params = [param for part in parts for param in part.adapted(given, here)]
    before = 1 - given["count"]
    for row in (row for rows in groups for row in rows):
        params += [
            before + value if type(value) is Nth else _adapted(column, value, here)
            for column in _columns(type(row), here.vendor)
            for value in (getattr(row, column.attname),)
        ]
    with statement_cursor() if len(kinds) <= MAX_PREPARED_ROWS else here.cursor() as cursor:
        cursor.execute(_numbered_insertion(by, fence, kinds), params)
        found = cursor.fetchone()
    for rows in groups if found else ():
        for row in rows:
            row._state.adding, row._state.db = False, here.alias
    return found[0] if found else None


def _adapted(column: "_Column", value: Any, here: Any) -> Any:
    if value is None or type(value) is column.ready:
        return value
    return column.field.get_db_prep_save(value, connection=here)


@lru_cache(maxsize=1024)
def _numbered_insertion(
    by: Statement,
    fence: Statement | None,
    kinds: Sequence[tuple[type[models.Model], Sequence[str]]],
) -> str:
    """`by`, behind the `fence`, and an INSERT for each row, which happens if there are numbers."""
    changes, returning = by.built().text.rsplit(" RETURNING ", 1)
    parts = [f"fence AS ({fence.built().text})"] if fence else []
    held = f"{changes} AND EXISTS (SELECT 1 FROM fence)" if fence else changes  # noqa: S608
    parts.append(f"numbers(taken) AS ({held} RETURNING {returning})")
    quote = connection.ops.quote_name
    for place, (model, promised) in enumerate(kinds):
        columns = _columns(model, connection.vendor)
        names = ", ".join(quote(column.name) for column in columns)
        values = ", ".join("taken + %s" if c.attname in promised else "%s" for c in columns)
        table = quote(model._meta.db_table)
        insertion = f"INSERT INTO {table} ({names}) SELECT {values} FROM numbers"  # noqa: S608
        parts.append(f"part{place} AS ({insertion})")
    return f"WITH {', '.join(parts)} SELECT taken FROM numbers"  # noqa: S608


def _insert_all(groups: Sequence[Sequence[models.Model]]) -> None:
    here = this_connection()
    kinds = tuple((type(rows[0]), len(rows)) for rows in groups)
    params = [
        _adapted(column, getattr(row, column.attname), here)
        for rows in groups
        for row in rows
        for column in _columns(type(row), here.vendor)
    ]
    is_common = max(number for _, number in kinds) <= MAX_PREPARED_ROWS
    with statement_cursor() if is_common else here.cursor() as cursor:
        cursor.execute(_insertion(kinds, here.vendor), params)
    for rows in groups:
        for row in rows:
            row._state.adding, row._state.db = False, here.alias


class _Column(NamedTuple):
    """A column that is written; values of the type `ready` the database takes as they are."""

    name: str
    attname: str
    field: Any
    ready: type | None


@cache
def _columns(model: type[models.Model], vendor: str) -> Sequence[_Column]:
    return [
        _Column(str(field.column), field.attname, adapter, _ready(adapter, vendor))
        for field in model._meta.local_concrete_fields
        for adapter in (_adapter(field),)
        if not isinstance(field, models.AutoField)
    ]


def _adapter(field: Any) -> Any:
    """The field that a foreign key leaves adapting to, in the end."""
    return _adapter(field.target_field) if isinstance(field, models.ForeignKey) else field


def _ready(field: Any, vendor: str) -> type | None:
    # Not of classes derived from these: a sealed field, say, is a TextField.
    if type(field) in (models.CharField, models.TextField, models.SlugField):
        return str
    if type(field) is models.UUIDField and vendor == "postgresql":
        return UUID
    return {models.BooleanField: bool, models.FloatField: float}.get(type(field))


@lru_cache(maxsize=1024)
def _insertion(kinds: Sequence[tuple[type[models.Model], int]], vendor: str) -> str:
    """One INSERT for each model, all but the last in front of it."""
    *earlier, last = [_one_insertion(model, number) for model, number in kinds]
    if not earlier:
        return last
    parts = ", ".join(f"part{i} AS ({text})" for i, text in enumerate(earlier))
    return f"WITH {parts} {last}"


def _one_insertion(model: type[models.Model], num_rows: int) -> str:
    quote, fields = connection.ops.quote_name, _columns(model, connection.vendor)
    names = ", ".join(quote(field.name) for field in fields)
    one_row = f"({', '.join(['%s'] * len(fields))})"
    table = quote(model._meta.db_table)
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([one_row] * num_rows)}"  # noqa: S608
