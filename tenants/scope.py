"""The tenant scope: which tenant's rows the running code may touch. It fails closed.

The scope lives in a context variable, so every request, socket and task has its own. Without one,
every query on a `TenantModel` raises `ScopeError`; with one, a query can only see that tenant's
rows. It is entered in four places only: the HTTP middleware, the WebSocket connect, the worker per
task, and management commands. Never enter it inside an async generator: the variable would leak
to whoever drives the generator.

django-scopes supplies the context variable. Its own manager lets through async iteration,
`exists()`, `explain()` and `scope(tenant=None)` (version 2.1), hence the manager here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NoReturn, ParamSpec, Self, TypeVar, cast
from uuid import UUID

from django.db import models
from django.db.models import sql
from django_scopes import get_scope, scope, scopes_disabled
from django_scopes.exceptions import ScopeError

from orkesta.database import in_thread

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=models.Model, covariant=True)

__all__ = [
    "ScopeError",
    "TenantManager",
    "TenantModel",
    "current_tenant_id",
    "in_tenant",
    "scopes_disabled",
    "tenant_scope",
]


@contextmanager
def tenant_scope(tenant_id: UUID) -> Iterator[None]:
    """Let the code inside see and write the rows of this tenant, and of no other."""
    if not isinstance(tenant_id, UUID):
        raise ScopeError("a scope needs the id of a tenant")
    with scope(tenant=tenant_id):
        yield


def current_tenant_id() -> UUID | None:
    """The tenant of the running code, or None outside any scope and where scopes are disabled."""
    found = get_scope()
    return cast("UUID", found["tenant"]) if _is_active(found) else None


def _is_active(found: dict[str, Any]) -> bool:
    return bool(found.get("_enabled", False)) and found.get("tenant") is not None


async def in_tenant(
    tenant_id: UUID, unit: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Run one unit of database work in a thread of the bounded pool, under this tenant's scope."""

    def scoped() -> R:
        with tenant_scope(tenant_id):
            return unit(*args, **kwargs)

    return await in_thread(scoped)


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise ScopeError("No tenant scope is active: rows of a tenant cannot be read or written here.")


class _ClosedQuery(sql.Query):
    """A query that cannot be compiled: whatever way it is run, `ScopeError` is raised first."""

    get_compiler = _refuse


class ClosedQuerySet(models.QuerySet[M]):
    """Stands in for the rows when no scope is active: it can be built on, but never run.

    Every read ends in `Query.get_compiler`, which `_ClosedQuery` refuses. Writes swap the class of
    the query first, so they are refused here, each by name.
    """

    def __init__(
        self,
        model: type[M] | None = None,
        query: sql.Query | None = None,
        using: str | None = None,
        hints: dict[str, models.Model] | None = None,
    ) -> None:
        super().__init__(model, query or _ClosedQuery(model), using, hints)

    def none(self) -> Self:
        return cast("Self", models.QuerySet(model=self.model, using=self.db).none())

    create = acreate = bulk_create = abulk_create = _insert = _refuse
    update = aupdate = _update = bulk_update = abulk_update = _refuse
    delete = adelete = _raw_delete = raw = _refuse
    get_or_create = aget_or_create = update_or_create = aupdate_or_create = _refuse


class TenantManager(models.Manager[M]):
    """The rows of the tenant in scope; nothing at all without a scope."""

    def get_queryset(self) -> models.QuerySet[M]:
        found = get_scope()
        if not found.get("_enabled", True):
            return super().get_queryset()
        if not _is_active(found):
            return ClosedQuerySet(self.model, using=self.db)
        return super().get_queryset().filter(tenant_id=found["tenant"])


class TenantModel(models.Model):
    """A row that belongs to one tenant. Saving fills the tenant from the scope and refuses another
    tenant's, refuses foreign keys into other tenants, and never updates a row of another tenant.
    """

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[TenantManager[Self]] = TenantManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._enter_own_tenant()
        self._refuse_foreign_rows()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        self._enter_own_tenant()
        if not type(self).objects.filter(pk=self.pk).exists():
            raise ScopeError("A row of another tenant cannot be deleted here.")
        return super().delete(*args, **kwargs)

    def _enter_own_tenant(self) -> None:
        active = get_scope()
        if not active.get("_enabled", True):
            return
        tenant_id = current_tenant_id()
        if tenant_id is None:
            _refuse()
        if getattr(self, "tenant_id", None) is None:
            self.tenant_id = tenant_id
        if self.tenant_id != tenant_id:
            raise ScopeError("A row of another tenant cannot be written here.")

    def _refuse_foreign_rows(self) -> None:
        """Each foreign key to a tenant's row must stay in this row's tenant."""
        for field in self._meta.concrete_fields:
            if not isinstance(field, models.ForeignKey) or getattr(self, field.attname) is None:
                continue
            target = field.remote_field.model
            if issubclass(target, TenantModel) and self._owner_of(field, target) != self.tenant_id:
                raise ScopeError(f"{field.name} belongs to another tenant, or does not exist.")

    def _owner_of(self, field: Any, target: type["TenantModel"]) -> UUID | None:
        """The tenant of the row that `field` points to; None when there is no such row."""
        if field.is_cached(self):
            return cast("UUID", getattr(self, field.name).tenant_id)
        rows = target._base_manager.filter(pk=getattr(self, field.attname))
        return rows.values_list("tenant_id", flat=True).first()

    def _do_update(self, base_qs: Any, *args: Any, **kwargs: Any) -> Any:
        """Django saves through the unscoped base manager: narrow it to this row's tenant."""
        return super()._do_update(base_qs.filter(tenant_id=self.tenant_id), *args, **kwargs)


def has_tenant(model: type[models.Model]) -> bool:
    """Whether rows of `model` belong to a tenant."""
    return any(field.name == "tenant" for field in model._meta.concrete_fields)
