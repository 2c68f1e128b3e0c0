"""Limits at the doors where nobody has shown a key yet, by the address that calls.

Behind a key the tenant's own limits hold (`tenants.limits`). Here django-ratelimit counts, in
windows of a minute: coarse, and enough to keep one address from trying tokens and passwords or
from having the schema written over and over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django_ratelimit.core import get_usage

from orkesta.api.middleware import is_api
from orkesta.api.problems import problem_response
from orkesta.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Door:
    """Addresses that begin alike, and the setting that says how often one caller may come."""

    name: str
    path: str
    setting: str
    methods: frozenset[str]


_ANY: Final = frozenset({"GET", "HEAD", "POST"})
DOORS: Final = (
    Door("hooks", "/hooks/", "ORKESTA_HOOK_CALLS_PER_MINUTE", _ANY),
    Door("login", "/admin/login/", "ORKESTA_LOGINS_PER_MINUTE", frozenset({"POST"})),
    Door("leaked keys", "/api/v1/keys/leaked", "ORKESTA_LEAK_REPORTS_PER_MINUTE", _ANY),
    Door("schema", "/api/schema/", "ORKESTA_SCHEMA_CALLS_PER_MINUTE", _ANY),
)


class AnonymousDoorMiddleware:
    """Answers 429 before anything else is done for the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        for door in DOORS:
            if request.path.startswith(door.path) and request.method in door.methods:
                seconds = _seconds_to_wait(request, door)
                return _refused(request, seconds) if seconds else self.get_response(request)
        return self.get_response(request)


def _seconds_to_wait(request: HttpRequest, door: Door) -> int:
    """0 for who may come in."""
    rate = f"{getattr(settings, door.setting)}/m"
    usage = get_usage(request, group=door.name, key="ip", rate=rate, increment=True)
    if usage is None or not usage["should_limit"]:
        return 0
    return max(1, int(usage["time_left"]))


def _refused(request: HttpRequest, seconds: int) -> HttpResponse:
    error = RateLimited("Too many calls from your address.", retry_after=seconds)
    if is_api(request):
        return problem_response(error, request)
    return HttpResponse(
        f"{error.message}\n",
        status=429,
        content_type="text/plain",
        headers={"Retry-After": seconds},
    )
