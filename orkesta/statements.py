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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import sql
from django.db.models.expressions import Expression

Row = list[Any]
Converters = Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]
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
        here = this_connection()
        with statement_cursor() as cursor:
            cursor.execute(self.text, self.adapted(values, here))
            return [self._read(row, here) for row in cursor.fetchall()]

    def adapted(self, values: Mapping[str, Any], here: Any) -> list[Any]:
        """The parameters, with a value in place of each `Param`, as the database wants them."""
        return [
            param.adapted(values[param.name], here) if isinstance(param, Param) else param
            for param in self.params
        ]

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


def this_connection() -> Any:
    """This thread's. `django.db.connection` looks it up anew for each thing that is asked of it,
    and adapting a row asks a hundred.
    """
    return connections[DEFAULT_DB_ALIAS]


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
    here = this_connection()
    prepared = getattr(here, "prepared_cursor", None)
    return here.cursor() if prepared is None else prepared()


def _converters(compiler: Any, columns: Sequence[Any]) -> Converters:
    found = compiler.get_converters(columns)
    return [(position, functions, column) for position, (functions, column) in found.items()]
