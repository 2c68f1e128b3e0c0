"""The one check of API keys, for HTTP and WebSocket alike, and its two faces towards DRF."""

import logging
from datetime import timedelta
from typing import Any, Final, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.errors import (
    KeyExpired,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    ScopeMissing,
    TenantSuspended,
)
from tenants.key_cache import KeyCache
from tenants.keys import is_genuine, kid_of
from tenants.models import ApiKey
from tenants.principals import Principal
from tenants.scope import scopes_disabled

logger = logging.getLogger(__name__)

REALM: Final = 'Bearer realm="orkesta"'
LAST_USED_EVERY: Final = timedelta(seconds=60)
#: What an unknown key is compared with, so that it takes as long as a known one.
_NOTHING_STORED: Final = "0" * 64

_cache = KeyCache()


def raw_key_from(authorization_header: str | None, x_api_key_header: str | None) -> str:
    """The key in `Authorization: Bearer …`, else the one in `X-API-Key: …`. Raises KeyMissing."""
    scheme, _, value = (authorization_header or "").strip().partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if x_api_key_header and x_api_key_header.strip():
        return x_api_key_header.strip()
    raise KeyMissing


def authenticate_key(raw: str) -> Principal:
    """Whom the key stands for. A verified key is remembered in this process for a few seconds.

    Raises KeyInvalid; KeyRevoked and KeyExpired, only when the whole key is right; TenantSuspended.
    """
    known = _cache.find(raw)
    if known is not None:
        return known
    kid = kid_of(raw)
    if kid is None:
        raise KeyInvalid
    key = _verified(raw, kid)
    principal = Principal(
        tenant_id=key.tenant_id,
        tenant_slug=key.tenant.slug,
        key_id=key.id,
        key_name=key.name,
        scopes=frozenset(key.scopes),
    )
    _cache.put(raw, kid, principal, expires_at=key.expires_at)
    _note_use(key)
    return principal


def forget_key(kid: str) -> None:
    """Make this process look the key up again; the others do so within `TTL_SECONDS`."""
    _cache.forget(kid)


def _verified(raw: str, kid: str) -> ApiKey:
    # The tenant is what we are about to learn, so no scope can be active yet: the one such place.
    with scopes_disabled():
        key = ApiKey.objects.select_related("tenant").filter(kid=kid).first()
    genuine = is_genuine(
        raw,
        stored=key.digest if key else _NOTHING_STORED,
        pepper_fingerprint=key.pepper_fingerprint if key else "",
        peppers=settings.ORKESTA_KEY_PEPPERS,
    )
    if key is None or not genuine:
        raise KeyInvalid
    if key.revoked_at is not None:
        raise KeyRevoked
    if not key.is_usable:
        raise KeyExpired
    if not key.tenant.is_active:
        raise TenantSuspended
    return key


def _note_use(key: ApiKey) -> None:
    """Keep `last_used_at` roughly right, at the price of one UPDATE a minute per key."""
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < LAST_USED_EVERY:
        return
    not_noted = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - LAST_USED_EVERY)
    try:
        with scopes_disabled(), transaction.atomic():
            ApiKey.objects.filter(not_noted, pk=key.pk).update(last_used_at=now)
    except DatabaseError:
        # A busy database must not turn a good key away over a statistic.
        logger.warning("The use of key %s could not be noted.", key.kid, exc_info=True)


def principal_of(request: Request) -> Principal:
    """Who calls; only for views that `HasScope` guards."""
    return cast("Principal", request.user)


class ApiKeyAuthentication(BaseAuthentication):
    """Hands DRF the principal that `TenantMiddleware` found; it checks nothing itself."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        principal = getattr(request._request, "principal", None)
        return None if principal is None else (principal, None)

    def authenticate_header(self, request: Request) -> str:
        return REALM


class HasScope(BasePermission):
    """Lets a key do what the view's `required_scopes` (method → scope) names, and nothing else."""

    def has_permission(self, request: Request, view: Any) -> bool:
        required = getattr(view, "required_scopes", None)
        if required is None:
            raise ImproperlyConfigured(f"{type(view).__name__} declares no required_scopes.")
        method = "GET" if request.method == "HEAD" else request.method
        if method not in required:
            raise MethodNotAllowed(str(request.method))
        principal = request.user
        if not isinstance(principal, Principal):
            raise KeyMissing
        if not principal.may(required[method]):
            raise ScopeMissing(f"This call needs the scope {required[method]}.")
        return True
