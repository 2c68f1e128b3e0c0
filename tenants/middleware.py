"""Enters the tenant scope of each HTTP request: of its API key, or the one chosen in the admin; and
counts what keys ask for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.http import http_date
from django.utils.module_loading import import_string

from orkesta.api import problem_response
from orkesta.client_address import client_address
from orkesta.errors import OrkestaError
from tenants.admin_scope import admin_scope
from tenants.allowances import allowance_of
from tenants.audit import Actor, acting
from tenants.audit_models import ActorKind
from tenants.authentication import check_key, raw_key_from
from tenants.key_cache import CheckedKey
from tenants.limits import limit_headers
from tenants.principals import Principal
from tenants.rates import rate_limited, take_request
from tenants.scope import tenant_scope

#: Where a key is needed. WebSockets themselves do not come through here.
KEY_DOORS: Final = ("/api/", "/ws/")
#: Where the address itself says whose it is: it holds a secret.
HOOK_DOOR: Final = "/hooks/"
#: What needs no key: how the API is used, and to tell of a key that was found.
OPEN_DOORS: Final = ("/api/schema/", "/api/docs/", "/api/v1/keys/leaked")


class TenantMiddleware:
    """Under `/api/` and `/ws/` there is a key and a tenant, or no view runs; the key is
    `request.principal`. Under `/hooks/` it is whom `ORKESTA_HOOK_PRINCIPAL` finds. Under `/admin/`
    the tenant is the one that `admin_scope` finds; elsewhere there is none.

    Every request of a principal takes from the limits of its tenant, its key and the session that
    it is about, before the view runs; the answer says how they stand.

    A streamed body is produced after this has returned: its generator enters the scope itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        # Named in the settings, because the rows that it looks in live in a storey above.
        self._principal_of_hook = import_string(settings.ORKESTA_HOOK_PRINCIPAL)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(KEY_DOORS):
            # Programs read these texts: one language, whatever the browser or the tenant speaks.
            translation.activate("en")
            if not request.path.startswith(OPEN_DOORS):
                return self._in_scope_of(_principal_of_key, request)
        elif request.path.startswith(HOOK_DOOR):
            translation.activate("en")
            return self._in_scope_of(self._principal_of_hook, request)
        elif request.path.startswith("/admin/"):
            with admin_scope(request), acting(_person(request)):
                return self.get_response(request)
        return self.get_response(request)

    def _in_scope_of(
        self, find: Callable[[HttpRequest], Principal], request: HttpRequest
    ) -> HttpResponseBase:
        try:
            principal = find(request)
        except (OrkestaError, DatabaseError) as exc:
            return problem_response(exc, request)
        request.principal = principal  # type: ignore[attr-defined]
        with tenant_scope(principal.tenant_id), acting(_caller(principal, request)):
            response = self.get_response(request)
        for name, value in getattr(request, "limit_headers", {}).items():
            response.headers[name] = value
        _tell_of_the_key(request, response)
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponseBase | None:
        """Let the request through, or answer it: its tenant has used up a limit, or its tier does
        not include what the view is part of (`feature`).
        """
        principal: Principal | None = getattr(request, "principal", None)
        if principal is None:
            return None
        kind = getattr(view, "cls", None)
        try:
            allowance = allowance_of(principal.tenant_id)
            # A body is read twice only where its session has a limit.
            is_asked = allowance.requests_per_minute_per_session is not None
            session_id = _session_id(request, kind, kwargs) if is_asked else None
            decision = take_request(principal, session_id=session_id)
            request.limit_headers = limit_headers(decision)  # type: ignore[attr-defined]
            if not decision.allowed:
                return problem_response(rate_limited(decision), request)
            if feature := getattr(kind, "feature", ""):
                allowance.require(feature)
        except (OrkestaError, DatabaseError) as exc:
            return problem_response(exc, request)
        return None


def _caller(principal: Principal, request: HttpRequest) -> Actor:
    key_id = str(principal.key_id or "")
    kind = ActorKind.KEY if key_id else ActorKind.SYSTEM
    return Actor(kind, key_id, principal.key_name, client_address(request))


def _person(request: HttpRequest) -> Actor:
    user = request.user
    name = user.get_username() if user.is_authenticated else ""
    return Actor(ActorKind.USER, str(user.pk or ""), name, client_address(request))


def _principal_of_key(request: HttpRequest) -> Principal:
    raw = raw_key_from(request.headers.get("Authorization"), request.headers.get("X-API-Key"))
    checked = check_key(raw, address=client_address(request))
    request.checked_key = checked  # type: ignore[attr-defined]
    return checked.principal


def _tell_of_the_key(request: HttpRequest, response: HttpResponseBase) -> None:
    """Whoever still uses a key that was replaced is told so in every answer: since when (RFC 9745),
    and when it ends (RFC 8594).
    """
    checked: CheckedKey | None = getattr(request, "checked_key", None)
    if checked is None or checked.deprecated_at is None:
        return
    response.headers["Deprecation"] = f"@{int(checked.deprecated_at.timestamp())}"
    if checked.expires_at is not None:
        response.headers["Sunset"] = http_date(checked.expires_at.timestamp())


def _session_id(request: HttpRequest, kind: Any, kwargs: Mapping[str, Any]) -> UUID | None:
    """The session that the address names, or the body, for views that say so. A body that cannot be
    read names none: the view will say what is wrong with it.
    """
    if not getattr(kind, "names_session_in_body", False):
        named = kwargs.get("session_id")
        return named if isinstance(named, UUID) else None
    try:
        body = orjson.loads(request.body)
        return UUID(body["session_id"])
    except (RequestDataTooBig, ValueError, TypeError, KeyError, AttributeError):
        return None
