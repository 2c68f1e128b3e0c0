"""Enters the tenant scope of each HTTP request: of its API key, or the one chosen in the admin."""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.module_loading import import_string

from orkesta.api import problem_response
from orkesta.errors import OrkestaError
from tenants.admin_scope import admin_scope
from tenants.authentication import authenticate_key, raw_key_from
from tenants.principals import Principal
from tenants.scope import tenant_scope

#: Where a key is needed. WebSockets themselves do not come through here.
KEY_DOORS: Final = ("/api/", "/ws/")
#: Where the address itself says whose it is: it holds a secret.
HOOK_DOOR: Final = "/hooks/"
#: What anybody may read: how the API is used.
OPEN_DOORS: Final = ("/api/schema/", "/api/docs/")


class TenantMiddleware:
    """Under `/api/` and `/ws/` there is a key and a tenant, or no view runs; the key is
    `request.principal`. Under `/hooks/` it is whom `ORKESTA_HOOK_PRINCIPAL` finds. Under `/admin/`
    the tenant is the one that `admin_scope` finds; elsewhere there is none.

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
            with admin_scope(request):
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
        with tenant_scope(principal.tenant_id):
            return self.get_response(request)


def _principal_of_key(request: HttpRequest) -> Principal:
    headers = request.headers
    return authenticate_key(raw_key_from(headers.get("Authorization"), headers.get("X-API-Key")))
