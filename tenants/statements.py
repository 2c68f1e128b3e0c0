"""Prepared statements (`orkesta.statements`) within the tenant scope, as fail-closed as querysets.

They are built in the scope of a tenant that is itself a parameter, so `TenantManager` puts its
filter into each of them, and run with the tenant of the scope that is then active.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from django.db import models
from django_scopes import scope

from orkesta import insertions, statements
from orkesta.statements import Param, Row
from tenants.scope import ScopeError, TenantModel, current_tenant_id

T = TypeVar("T")
Rows = Callable[[], "models.QuerySet[Any, Any]"]

_TENANT: Final = Param("tenant_id", models.UUIDField())


class TenantStatement:
    """A statement on rows of the tenant in scope. Raises ScopeError outside of any."""

    def __init__(self, statement: statements.Statement) -> None:
        self.statement = statement

    def __call__(self, **values: Any) -> list[Row]:
        return self.statement(tenant_id=_tenant_id(), **values)


def select(rows: Rows) -> TenantStatement:
    """The rows of a `values_list` queryset, which `rows` makes."""
    return TenantStatement(statements.select(_in_any_tenant(rows)))


def update(
    rows: Rows, values: Callable[[], Mapping[str, Any]], *, returning: Sequence[str]
) -> TenantStatement:
    """`UPDATE … RETURNING` the columns of these fields, as they are afterwards."""
    found = statements.update(_in_any_tenant(rows), _in_any_tenant(values), returning=returning)
    return TenantStatement(found)


def provided(fence: TenantStatement, then: TenantStatement) -> TenantStatement:
    """The update `then`, if the update `fence` finds a row; see `orkesta.statements.provided`."""
    return TenantStatement(statements.provided(fence.statement, then.statement))


def insert(rows: Sequence[TenantModel]) -> None:
    """Insert rows of one model, every one of them the tenant's in scope. Raises ScopeError."""
    tenant_id = _tenant_id()
    if any(row.tenant_id != tenant_id for row in rows):
        raise ScopeError("A row of another tenant cannot be written here.")
    insertions.insert(rows)


def number_and_insert(
    groups: Sequence[Sequence[models.Model]],
    *,
    by: TenantStatement,
    count: int,
    fence: TenantStatement | None = None,
    **values: Any,
) -> int | None:
    """See `orkesta.insertions.number_and_insert`. The rows have come through `insert`."""
    return insertions.number_and_insert(
        groups,
        by=by.statement,
        count=count,
        values={**values, "tenant_id": _tenant_id()},
        fence=fence.statement if fence else None,
    )


def _in_any_tenant(make: Callable[[], T]) -> Callable[[], T]:
    def made() -> T:
        with scope(tenant=_TENANT):
            return make()

    return made


def _tenant_id() -> Any:
    tenant_id = current_tenant_id()
    if tenant_id is None:
        raise ScopeError("No tenant scope is active: rows cannot be read or written here.")
    return tenant_id
