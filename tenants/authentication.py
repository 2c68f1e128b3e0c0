"""The one check of API keys, for HTTP and WebSocket alike, and its two faces towards DRF."""

from typing import Any, Final, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.errors import (
    AddressNotAllowed,
    KeyExpired,
    KeyInvalid,
    KeyMissing,
    KeyRevoked,
    ScopeMissing,
    TenantSuspended,
)
from tenants.key_cache import CheckedKey, KeyCache
from tenants.key_use import note_use, uses
from tenants.keys import is_genuine, kid_of
from tenants.models import ApiKey
from tenants.networks import holds, read_networks
from tenants.principals import Principal
from tenants.scope import scopes_disabled

REALM: Final = 'Bearer realm="orkesta"'
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


def authenticate_key(raw: str, *, address: str = "") -> Principal:
    """Whom the key stands for, when it is used from this address; see `check_key`."""
    return check_key(raw, address=address).principal


def check_key(raw: str, *, address: str = "") -> CheckedKey:
    """The key, when it is good and may be used from this address. A verified key is remembered in
    this process for a few seconds.

    Raises KeyInvalid; KeyRevoked and KeyExpired, only when the whole key is right; TenantSuspended;
    AddressNotAllowed, also for a key bound to addresses that comes from nobody knows where.
    """
    checked = _cache.find(raw)
    row = None
    if checked is None:
        if kid_of(raw) is None:
            raise KeyInvalid
        row = _verified(raw)
        checked = _checked(row)
        _cache.put(raw, checked)
    if checked.networks and not holds(checked.networks, address):
        raise AddressNotAllowed
    uses.count(checked.principal.key_id, address)
    if row is not None:
        note_use(row, address)
    return checked


def find_genuine(raw: str) -> ApiKey | None:
    """The row of which `raw` is the whole key, whatever state it is in. Needs no scope."""
    # The tenant is what we are about to learn, so no scope can be active yet: the one such place.
    with scopes_disabled():
        key = ApiKey.objects.select_related("tenant").filter(kid=kid_of(raw) or "").first()
    genuine = is_genuine(
        raw,
        stored=key.digest if key else _NOTHING_STORED,
        pepper_fingerprint=key.pepper_fingerprint if key else "",
        peppers=settings.ORKESTA_KEY_PEPPERS,
    )
    return key if genuine else None


def forget_key(kid: str) -> None:
    """Make this process look the key up again; the others do so within `TTL_SECONDS`."""
    _cache.forget(kid)


def _verified(raw: str) -> ApiKey:
    key = find_genuine(raw)
    if key is None:
        raise KeyInvalid
    if key.revoked_at is not None:
        raise KeyRevoked
    if not key.is_usable:
        raise KeyExpired
    if not key.tenant.is_active:
        raise TenantSuspended
    return key


def _checked(key: ApiKey) -> CheckedKey:
    principal = Principal(
        tenant_id=key.tenant_id,
        tenant_slug=key.tenant.slug,
        key_id=key.id,
        key_name=key.name,
        scopes=frozenset(key.scopes),
        agents=frozenset(key.agents),
    )
    return CheckedKey(
        kid=key.kid,
        principal=principal,
        expires_at=key.expires_at,
        deprecated_at=key.replaced_at,
        networks=read_networks(key.addresses),
    )


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
