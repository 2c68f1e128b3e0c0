"""Writes the audit log, in the transaction of the act: either both are stored, or neither."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import models, transaction

from orkesta.crypto import SealedTextField
from orkesta.database import take_turns
from orkesta.middleware import current_request_id
from tenants.audit_chain import sealed
from tenants.audit_models import (
    ActorKind,
    AuditAction,
    AuditEntry,
    AuditRow,
    InstallationEntry,
)
from tenants.scope import TenantModel, scopes_disabled, tenant_scope

#: What stands for a value that nobody may read.
HIDDEN: Final = "•••"
MAX_CHARS: Final = 1000
#: What is no secret by itself, but helps whoever tries to guess one.
SECRET_COLUMNS: Final = frozenset({"password", "digest", "token_digest"})

Change = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where."""

    kind: ActorKind = ActorKind.SYSTEM
    id: str = ""
    name: str = ""
    address: str | None = None


_actor: ContextVar[Actor] = ContextVar("actor", default=Actor())  # noqa: B039 - frozen


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """What is recorded inside was done by this actor; outside of any, the system did it."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


_reason: ContextVar[str] = ContextVar("reason", default="")


@contextmanager
def because(reason: str) -> Iterator[None]:
    """What is changed inside is changed for this reason; versions of configuration tell it."""
    token = _reason.set(reason[:200])
    try:
        yield
    finally:
        _reason.reset(token)


def current_actor() -> Actor:
    return _actor.get()


def current_reason() -> str:
    return _reason.get()


@transaction.atomic
def record(
    action: AuditAction, row: models.Model, changes: Mapping[str, Change] | None = None
) -> AuditRow:
    """Note that the actor did this to the row, of which `changes` tells before and after. The
    entries of a log are numbered without a gap, and each seals those before it.

    What is no tenant's stands in the log of the installation, and in those of the tenants that it
    concerns (`concerned`): a tier's, and a member's.
    """
    if isinstance(row, TenantModel) or row._meta.label == "tenants.Tenant":
        # A tenant's row is its own; every other row has one.
        return _record_in(getattr(row, "tenant_id", None) or row.pk, action, row, changes or {})
    entry = _append(InstallationEntry, "installation", action, row, changes or {})
    for tenant_id in sorted(concerned(row)):
        _record_in(tenant_id, action, row, changes or {})
    return entry


def concerned(row: models.Model) -> set[UUID]:
    """The tenants that an act on a row of the installation is about."""
    by_label = {
        "tenants.Tier": ("tenants.Tenant", "tier_id", "pk"),
        settings.AUTH_USER_MODEL: ("tenants.Membership", "user_id", "tenant_id"),
    }
    if row._meta.label not in by_label:
        return set()
    label, column, tenant = by_label[row._meta.label]
    with scopes_disabled():
        found = apps.get_model(label)._base_manager.filter(**{column: row.pk})
        return set(found.values_list(tenant, flat=True))


def record_change(row: models.Model, before: Mapping[str, Any]) -> None:
    """Note what became of the row since `values_of` it were `before`; nothing when nothing did."""
    after = values_of(row)
    changes = {name: (before[name], after[name]) for name in after if before[name] != after[name]}
    if changes:
        record(AuditAction.CHANGED, row, changes)


def record_new(row: models.Model) -> None:
    """Note that the row was made, with what it has."""
    found = values_of(row)
    editable = {field.name for field in row._meta.concrete_fields if field.editable}
    given = {name: (None, found[name]) for name in editable if found[name] not in (None, "")}
    record(AuditAction.CREATED, row, given)


def values_of(row: models.Model) -> dict[str, Any]:
    """The columns of the row as they are now."""
    return {
        field.name: deepcopy(field.value_from_object(row)) for field in row._meta.concrete_fields
    }


def _record_in(
    tenant_id: UUID, action: AuditAction, row: models.Model, changes: Mapping[str, Change]
) -> AuditRow:
    with tenant_scope(tenant_id):
        return _append(AuditEntry, str(tenant_id), action, row, changes)


def _append(
    log: type[AuditRow],
    name: str,
    action: AuditAction,
    row: models.Model,
    changes: Mapping[str, Change],
) -> AuditRow:
    entries: Any = log._default_manager
    take_turns(f"audit {name}")
    last = entries.order_by("-seq").values_list("seq", "chain").first()
    seq, chain = last or (0, "")
    actor = _actor.get()
    entry = log(
        seq=seq + 1,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:200],
        action=action,
        object_type=row._meta.label,
        object_id=str(row.pk),
        object_name=str(row)[:200],
        changes=_told(type(row), changes),
        reason=_reason.get(),
        request_id=current_request_id(),
        address=actor.address,
    )
    entry.chain = sealed(entry, name, chain)
    entry.save(force_insert=True)
    return entry


def _told(model: type[models.Model], changes: Mapping[str, Change]) -> dict[str, list[Any]]:
    known = {field.name: field for field in model._meta.get_fields()}
    return {
        name: [_shown(before), _shown(after)] if _may_show(known.get(name)) else [HIDDEN, HIDDEN]
        for name, (before, after) in changes.items()
    }


def _may_show(field: Any) -> bool:
    """What is no column of the row may be a secret on its way to be sealed."""
    is_secret = isinstance(field, SealedTextField) or getattr(field, "name", "") in SECRET_COLUMNS
    return field is not None and not is_secret


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, models.QuerySet | list | tuple):
        return [_shown(item) for item in value][:100]
    return str(value)[:MAX_CHARS]
