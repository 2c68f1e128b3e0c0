"""Sealing stored secrets anew, so that an encryption key can be retired."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import models

from orkesta.crypto import (
    SealedTextField,
    SecretUnreadable,
    is_sealed_with_first_key,
    seal,
    unseal,
)
from tenants.scope import scopes_disabled


@dataclass(slots=True)
class Resealed:
    """Numbers of values; `unreadable` names the rows whose key is not configured (any more)."""

    current: int
    renewed: int
    unreadable: list[str]


def reseal_all(*, is_dry_run: bool = False) -> Resealed:
    """Seal every secret of every tenant that an older key sealed with the first one of
    `ORCHESTRATOR_ENCRYPTION_KEYS`. It can run beside a busy installation, and again.

    A value that somebody replaces meanwhile is left as they wrote it: it is sealed with the first
    key already.
    """
    done = Resealed(0, 0, [])
    with scopes_disabled():
        for model, field in _sealed_fields():
            rows = model._base_manager.exclude(**{field: ""}).only("pk", "tenant_id", field)
            for row in rows.order_by("pk").iterator(chunk_size=500):
                _reseal(row, field, done, is_dry_run=is_dry_run)
    return done


def _sealed_fields() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SealedTextField):
                yield model, field.name


def _reseal(row: models.Model, field: str, done: Resealed, *, is_dry_run: bool) -> None:
    stored: str = getattr(row, field)
    if is_sealed_with_first_key(stored):
        done.current += 1
        return
    try:
        plain = unseal(row, field).reveal()
    except SecretUnreadable:
        done.unreadable.append(f"{row._meta.label} {row.pk}")
        return
    seal(row, field, plain)
    if not is_dry_run:
        # Only over the very value that was read: nobody's newer secret is overwritten.
        same = type(row)._base_manager.filter(pk=row.pk, **{field: stored})
        same.update(**{field: getattr(row, field)})
    done.renewed += 1
