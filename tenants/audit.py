"""Writes the audit log, in the transaction of the act: either both are stored, or neither."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import models, transaction
from django.db.models import Max

from orkesta.crypto import SealedTextField
from orkesta.database import take_turns
from orkesta.middleware import current_request_id
from tenants.audit_models import ActorKind, AuditAction, AuditEntry
from tenants.scope import tenant_scope

#: What stands for a value that nobody may read.
HIDDEN: Final = "•••"
MAX_CHARS: Final = 1000

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


@transaction.atomic
def record(
    action: AuditAction, row: models.Model, changes: Mapping[str, Change] | None = None
) -> AuditEntry:
    """Note that the actor did this to the row, of which `changes` tells before and after. The
    entries of a tenant are numbered without a gap.
    """
    # A tenant's row is its own; every other row has one.
    tenant_id: UUID = getattr(row, "tenant_id", None) or row.pk
    actor = _actor.get()
    with tenant_scope(tenant_id):
        take_turns(f"audit {tenant_id}")
        last: int = AuditEntry.objects.aggregate(last=Max("seq"))["last"] or 0
        return AuditEntry.objects.create(
            seq=last + 1,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name[:200],
            action=action,
            object_type=row._meta.label,
            object_id=str(row.pk),
            object_name=str(row)[:200],
            changes=_told(type(row), changes or {}),
            request_id=current_request_id(),
            address=actor.address,
        )


def _told(model: type[models.Model], changes: Mapping[str, Change]) -> dict[str, list[Any]]:
    known = {field.name: field for field in model._meta.get_fields()}
    return {
        name: [_shown(before), _shown(after)] if _may_show(known.get(name)) else [HIDDEN, HIDDEN]
        for name, (before, after) in changes.items()
    }


def _may_show(field: Any) -> bool:
    """What is no column of the row may be a secret on its way to be sealed."""
    return field is not None and not isinstance(field, SealedTextField)


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, models.QuerySet | list | tuple):
        return [_shown(item) for item in value][:100]
    return str(value)[:MAX_CHARS]
