"""The acts of this room: keys are issued, rotated and revoked, configuration is touched."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from orkesta.errors import Invalid
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.authentication import find_genuine, forget_key
from tenants.errors import KeyNotFound, KeyNotRotatable
from tenants.key_expiry import facts_of
from tenants.keys import NewKey, digest, fingerprint, make_key
from tenants.models import ApiKey, Tenant
from tenants.networks import read_networks
from tenants.notices import Notice, tell
from tenants.principals import Scope
from tenants.scope import tenant_scope

logger = logging.getLogger(__name__)

#: For so long a rotated key works beside its successor, unless the caller says otherwise.
OVERLAP: Final = timedelta(hours=24)
MAX_OVERLAP: Final = timedelta(days=7)
MAX_LISTED: Final = 100


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
    agents: Iterable[str] = (),
    addresses: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """A key of `tenant`, random unless `new` is given, and its plain text, which is not kept.

    It may talk to `agents` (slugs) and be used from `addresses` (networks) only; none means all.
    Needs the tenant's scope. Raises Invalid: a blank name, no or an unknown scope, a past expiry,
    what is no network.
    """
    wanted = sorted(set(scopes))
    networks = [text.strip() for text in addresses]
    _check(name=name, scopes=wanted, expires_at=expires_at, addresses=networks)
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
        agents=sorted(set(agents)),
        addresses=networks,
    )
    record(AuditAction.KEY_ISSUED, key, {"scopes": (None, wanted)})
    return key, new.plain


@transaction.atomic
def rotate_api_key(
    *, key: ApiKey, overlap: timedelta = OVERLAP, by: AbstractBaseUser | None = None
) -> tuple[ApiKey, str]:
    """A new key with the same rights and the same lifetime, and its plain text; the old one works
    for the `overlap`, at most `MAX_OVERLAP`, and every answer to it says that it is going.

    Raises KeyNotRotatable: the key has expired, was revoked, or has a successor; Invalid.
    """
    key = lock_api_key(key.pk)
    if not key.is_usable or key.replaced_by_id is not None:
        raise KeyNotRotatable
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        most = int(MAX_OVERLAP.total_seconds())
        raise Invalid(errors=[_fault("/overlap_seconds", f"Between 0 and {most} seconds.")])
    now = timezone.now()
    successor, plain = issue_api_key(
        tenant=key.tenant,
        name=key.name,
        scopes=key.scopes,
        expires_at=now + (key.expires_at - key.created_at) if key.expires_at else None,
        created_by=by,
        is_live=key.is_live,
        agents=key.agents,
        addresses=key.addresses,
    )
    key.replaced_by, key.replaced_at = successor, now
    key.expires_at = min(now + overlap, key.expires_at or now + overlap)
    key.save(update_fields=["replaced_by", "replaced_at", "expires_at"])
    record(AuditAction.KEY_ROTATED, key, {"replaced_by": (None, successor.shown)})
    transaction.on_commit(lambda: forget_key(key.kid))
    return successor, plain


@transaction.atomic
def revoke_api_key(
    *, key: ApiKey, because: ApiKey.RevokedBecause = ApiKey.RevokedBecause.BY_HAND
) -> ApiKey:
    """End the key: at once in this process, within 5 s everywhere. Revoking twice is no error."""
    if key.revoked_at is None:
        key.revoked_at, key.revoked_because = timezone.now(), because
        key.save(update_fields=["revoked_at", "revoked_because"])
        record(AuditAction.KEY_REVOKED, key, {"revoked_because": (None, because)})
    transaction.on_commit(lambda: forget_key(key.kid))
    return key


def report_leaked_key(raw: str) -> None:
    """Revoke the key of which `raw` is the whole, if there is one that is not revoked yet, and let
    its tenant see why. Whoever reports learns nothing. Needs no scope.
    """
    found = find_genuine(raw)
    if found is None:
        return
    with tenant_scope(found.tenant_id), transaction.atomic():
        key = lock_api_key(found.pk)
        if key.revoked_at is None:
            revoke_api_key(key=key, because=ApiKey.RevokedBecause.LEAKED)
            tell(key.tenant_id, Notice.KEY_LEAKED, facts_of(key))
            logger.warning("The key %s was found in public and is revoked.", key.kid)


def lock_api_key(key_id: UUID) -> ApiKey:
    """The key, locked until the transaction ends. Raises KeyNotFound."""
    key = ApiKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None:
        raise KeyNotFound
    return key


def touch_configuration(tenant_id: UUID) -> None:
    """Tell every running worker that its picture of the tenant's configuration is old."""
    Tenant.objects.filter(pk=tenant_id).update(config_version=F("config_version") + 1)


def _check(
    *, name: str, scopes: list[str], expires_at: datetime | None, addresses: list[str]
) -> None:
    errors: list[dict[str, Any]] = []
    if not name.strip() or len(name) > 100:
        errors.append(_fault("/name", "A key needs a name of at most 100 characters."))
    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown or not scopes:
        detail = f"Unknown: {', '.join(unknown)}." if unknown else "A key needs a scope."
        errors.append(_fault("/scopes", detail))
    if expires_at is not None and expires_at <= timezone.now():
        errors.append(_fault("/expires_at", "This is in the past."))
    try:
        read_networks(addresses[:MAX_LISTED])
    except ValueError as exc:
        errors.append(_fault("/addresses", f"{exc}."[:300]))
    if len(addresses) > MAX_LISTED:
        errors.append(_fault("/addresses", f"At most {MAX_LISTED}."))
    if errors:
        raise Invalid(errors=errors)


def _fault(pointer: str, detail: str) -> dict[str, Any]:
    return {"pointer": pointer, "code": "invalid", "detail": detail}
