"""The acts of this room: keys are issued and revoked, configuration is touched."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orkesta.errors import Invalid
from tenants.authentication import forget_key
from tenants.keys import NewKey, digest, fingerprint, make_key
from tenants.models import ApiKey, Tenant
from tenants.principals import Scope


@transaction.atomic
def issue_api_key(
    *,
    tenant: Tenant,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    created_by: AbstractBaseUser | None = None,
    is_live: bool = True,
    new: NewKey | None = None,
) -> tuple[ApiKey, str]:
    """A key of `tenant`, random unless `new` is given, and its plain text, which is not kept.

    Needs the tenant's scope. Raises Invalid: a blank name, no or an unknown scope, a past expiry.
    """
    wanted = sorted(set(scopes))
    _check(name=name, scopes=wanted, expires_at=expires_at)
    new = new or make_key(is_live=is_live)
    pepper = settings.ORKESTA_KEY_PEPPERS[-1]
    key = ApiKey.objects.create(
        tenant=tenant,
        name=name.strip(),
        kid=new.kid,
        hint=new.hint,
        digest=digest(new.plain, pepper),
        pepper_fingerprint=fingerprint(pepper),
        is_live=is_live,
        scopes=wanted,
        created_by_id=created_by.pk if created_by else None,
        expires_at=expires_at,
    )
    return key, new.plain


@transaction.atomic
def revoke_api_key(*, key: ApiKey) -> ApiKey:
    """End the key: at once in this process, within 5 s everywhere. Revoking twice is no error."""
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        key.save(update_fields=["revoked_at"])
    transaction.on_commit(lambda: forget_key(key.kid))
    return key


def touch_configuration(tenant_id: UUID) -> None:
    """Tell every running worker that its picture of the tenant's configuration is old."""
    Tenant.objects.filter(pk=tenant_id).update(config_version=F("config_version") + 1)


def _check(*, name: str, scopes: list[str], expires_at: datetime | None) -> None:
    errors: list[dict[str, Any]] = []
    if not name.strip() or len(name) > 100:
        errors.append(_fault("/name", "A key needs a name of at most 100 characters."))
    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown or not scopes:
        detail = f"Unknown: {', '.join(unknown)}." if unknown else "A key needs a scope."
        errors.append(_fault("/scopes", detail))
    if expires_at is not None and expires_at <= timezone.now():
        errors.append(_fault("/expires_at", "This is in the past."))
    if errors:
        raise Invalid(errors=errors)


def _fault(pointer: str, detail: str) -> dict[str, Any]:
    return {"pointer": pointer, "code": "invalid", "detail": detail}
