"""Statements that Django builds once, and that are then run with other values.

Building a query and its SQL costs Django several times what SQLite or PostgreSQL need to run it,
and a turn runs the same dozen statements again and again. Here they are still written as
querysets, with `Param` where a value will stand; they are built at their first run, once for each
kind of database. One row costs 40 to 60 us instead of 250 to 400.

PostgreSQL, too, then plans each of them only once per connection (`orkesta.postgresql`). What is no
`Param` is written into the text, so that a plan for any value may still rely on it: a partial index
is of use only where its condition can be seen.

A value must not change the shape of the SQL: None has to be written as `isnull`, and the number of
rows and a slice are part of the statement.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import sql
from django.db.models.expressions import Expression

Row = list[Any]
Converters = Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]
#: Rows up to which an INSERT is prepared: each number of them is a statement of its own.
MAX_PREPARED_ROWS: Final = 8
_gathered: ContextVar[list[Sequence[models.Model]] | None] = ContextVar("gathered", default=None)
_PLACE: Final = re.compile(r"%[s%]")


class Param(Expression):
    """A value given when the statement is run; `field` says how the database wants it."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)

    def adapted(self, value: Any, connection: Any) -> Any:
        return self.output_field.get_db_prep_value(value, connection)


@dataclass(frozen=True, slots=True)
class _Built:
    """SQL with its parameters in order, and how the columns that come back become Python."""

    text: str
    params: Sequence[Any]
    converters: Converters

    def run(self, values: Mapping[str, Any]) -> list[Row]:
        here = _connection()
        params = [
            param.adapted(values[param.name], here) if isinstance(param, Param) else param
            for param in self.params
        ]
        with statement_cursor() as cursor:
            cursor.execute(self.text, params)
            return [self._read(row, here) for row in cursor.fetchall()]

    def _read(self, found: Sequence[Any], here: Any) -> Row:
        row = list(found)
        for position, functions, expression in self.converters:
            for convert in functions:
                row[position] = convert(row[position], expression, here)
        return row


class Statement:
    """Use `select` or `update` to make one. Safe to share between threads."""

    def __init__(self, build: Callable[[], _Built]) -> None:
        self._build = build
        self._built: dict[str, _Built] = {}

    def __call__(self, **values: Any) -> list[Row]:
        """Run it with a value for each `Param` by name; the rows it selects or returns."""
        return self.built().run(values)

    def built(self) -> _Built:
        found = self._built.get(connection.vendor)
        if found is None:
            found = self._built[connection.vendor] = self._build()
        return found


def select(rows: Callable[[], "models.QuerySet[Any, Any]"]) -> Statement:
    """The rows of a `values_list` queryset, which `rows` makes."""

    def build() -> _Built:
        compiler = rows().query.get_compiler(connection=connection)
        text, params = compiler.as_sql()
        converters = _converters(compiler, [column[0] for column in compiler.select])
        return _built(text, params, converters)

    return Statement(build)


def update(
    rows: Callable[[], "models.QuerySet[Any, Any]"],
    values: Callable[[], Mapping[str, Any]],
    *,
    returning: Sequence[str],
) -> Statement:
    """`UPDATE … RETURNING` the columns of these fields, as they are afterwards."""

    def build() -> _Built:
        found = rows()
        query: Any = found.query.chain(sql.UpdateQuery)
        query.add_update_values(dict(values()))
        compiler = query.get_compiler(connection=connection)
        text, params = compiler.as_sql()
        fields = [found.model._meta.get_field(name) for name in returning]
        names = ", ".join(connection.ops.quote_name(field.column) for field in fields)
        columns = [field.get_col(found.model._meta.db_table) for field in fields]
        return _built(f"{text} RETURNING {names}", params, _converters(compiler, columns))

    return Statement(build)


def provided(fence: Statement, then: Statement) -> Statement:
    """The update `then`, which happens only if the update `fence` finds a row, as one. For
    PostgreSQL alone. The row of `fence` is locked first.
    """

    def build() -> _Built:
        first, second = fence.built(), then.built()
        changes, returning = second.text.rsplit(" RETURNING ", 1)
        held = f"{changes} AND EXISTS (SELECT 1 FROM fence) RETURNING {returning}"  # noqa: S608
        text = f"WITH fence AS ({first.text}) {held}"
        return _Built(text, [*first.params, *second.params], second.converters)

    return Statement(build)


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
    here = _connection()
    kinds = tuple((type(row), _promised(row)) for rows in groups for row in rows)
    parts = (fence.built(), by.built()) if fence else (by.built(),)
    params = [
        param.adapted(given[param.name], here) if isinstance(param, Param) else param
        for part in parts
        for param in part.params
    ]
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
    here = _connection()
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


def _connection() -> Any:
    """This thread's. `django.db.connection` looks it up anew for each thing that is asked of it,
    and adapting a row asks a hundred.
    """
    return connections[DEFAULT_DB_ALIAS]


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


def _built(text: str, params: Sequence[Any], converters: Converters) -> _Built:
    as_literal = getattr(connection, "as_literal", None)
    if as_literal is None:
        return _Built(text, params, converters)
    given = iter(params)

    def written(place: re.Match[str]) -> str:
        if place.group() == "%%":
            return "%%"
        param = next(given)
        return "%s" if isinstance(param, Param) else str(as_literal(param))

    text = _PLACE.sub(written, text)
    return _Built(text, [param for param in params if isinstance(param, Param)], converters)


def statement_cursor() -> Any:
    """A cursor that lets the database plan a statement once, where it can. For statements whose
    text is always the same.
    """
    here = _connection()
    prepared = getattr(here, "prepared_cursor", None)
    return here.cursor() if prepared is None else prepared()


def _converters(compiler: Any, columns: Sequence[Any]) -> Converters:
    found = compiler.get_converters(columns)
    return [(position, functions, column) for position, (functions, column) in found.items()]
