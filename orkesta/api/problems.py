"""Every failure of an HTTP request becomes one shape here: RFC 9457 `application/problem+json`."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django_scopes.exceptions import ScopeError
from rest_framework import exceptions as drf
from rest_framework.request import Request

from orkesta.api.renderer import to_json
from orkesta.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Forbidden,
    InternalError,
    Invalid,
    InvalidEncoding,
    Malformed,
    MalformedJson,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    OrkestaError,
    RateLimited,
    TooDeep,
    Unauthenticated,
    UnsupportedMedia,
    problem,
)
from orkesta.middleware import current_request_id

logger = logging.getLogger(__name__)

CONTENT_TYPE: Final = "application/problem+json"
DATABASE_RETRY_SECONDS: Final = 2
#: A message that repeats what was sent must not make a large answer of a large request.
MAX_DETAIL: Final = 300
MAX_FAULTS: Final = 50

_TRANSLATIONS: Final[list[tuple[type[BaseException], Callable[[Any], OrkestaError]]]] = [
    (drf.ValidationError, lambda exc: invalid(exc.get_full_details())),
    (DjangoValidationError, lambda exc: invalid(_django_faults(exc))),
    (drf.NotFound, lambda exc: NotFound()),
    (Http404, lambda exc: NotFound()),
    (drf.MethodNotAllowed, lambda exc: MethodNotAllowed()),
    (drf.NotAcceptable, lambda exc: NotAcceptable()),
    (drf.UnsupportedMediaType, lambda exc: UnsupportedMedia()),
    (drf.ParseError, lambda exc: MalformedJson()),
    (drf.NotAuthenticated, lambda exc: Unauthenticated()),
    (drf.AuthenticationFailed, lambda exc: Unauthenticated()),
    (drf.PermissionDenied, lambda exc: Forbidden()),
    (PermissionDenied, lambda exc: Forbidden()),
    (drf.Throttled, lambda exc: RateLimited(retry_after=exc.wait or 1)),
    (RequestDataTooBig, lambda exc: BodyTooLarge()),
    (SuspiciousOperation, lambda exc: Malformed("The request could not be read.")),
    (OperationalError, lambda exc: DatabaseUnavailable(retry_after=DATABASE_RETRY_SECONDS)),
    (InterfaceError, lambda exc: DatabaseUnavailable(retry_after=DATABASE_RETRY_SECONDS)),
    (DataError, lambda exc: Invalid("A value does not fit where it is to be stored.")),
    (RecursionError, lambda exc: TooDeep()),
    (UnicodeError, lambda exc: InvalidEncoding()),
]


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """DRF's hook. It answers every exception, so none ever reaches a page made for people."""
    return problem_response(exc, context["request"])


def problem_response(exc: BaseException, request: HttpRequest | Request) -> HttpResponse:
    """The answer to `exc`, with the headers its status calls for. It logs what is our fault."""
    error = translate(exc)
    _log(exc, error)
    body = problem(error, request_id=current_request_id()) | {"instance": request.path}
    response = HttpResponse(to_json(body), status=error.http_status, content_type=CONTENT_TYPE)
    if error.retry_after_seconds is not None:
        response["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    if error.http_status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="orkesta"'
    return response


def translate(exc: BaseException) -> OrkestaError:
    """`exc` as a leaf of the tree; what nobody foresaw is InternalError, which tells nothing."""
    if isinstance(exc, OrkestaError):
        return exc
    for kind, translation in _TRANSLATIONS:
        if isinstance(exc, kind):
            return translation(exc)
    return InternalError()


def invalid(details: Any, *, prefix: str = "/") -> Invalid:
    """`Invalid` from a serializer's full details; `prefix` is `?` when they speak of the query."""
    faults = [
        {"pointer": pointer, "code": fault["code"], "detail": str(fault["message"])[:MAX_DETAIL]}
        for pointer, fault in _faults(details, "", prefix)
    ][:MAX_FAULTS]
    first = faults[0]
    return Invalid(": ".join(filter(None, [first["pointer"], first["detail"]])), errors=faults)


def _faults(details: Any, pointer: str, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(details, Mapping) and isinstance(details.get("message"), str):
        yield pointer, details
    elif isinstance(details, Mapping):
        for key, inner in details.items():
            yield from _faults(inner, _below(pointer, str(key), prefix), "/")
    elif isinstance(details, list):
        is_leaf = all(isinstance(item.get("message"), str) for item in details)
        for number, inner in enumerate(details):
            place = pointer if is_leaf else _below(pointer, str(number), prefix)
            yield from _faults(inner, place, "/")


def _below(pointer: str, key: str, prefix: str) -> str:
    """One step down, as JSON Pointer (RFC 6901) spells it; errors of the whole stay here."""
    if key in {"", "non_field_errors", "__all__"}:
        return pointer
    return f"{pointer}{prefix}{key.replace('~', '~0').replace('/', '~1')}"


def _django_faults(exc: DjangoValidationError) -> dict[str, list[dict[str, str]]]:
    by_field = exc.error_dict if hasattr(exc, "error_dict") else {"": exc.error_list}
    return {
        name: [
            {"message": message, "code": error.code or "invalid"}
            for error in errors
            for message in error.messages
        ]
        for name, errors in by_field.items()
    }


def _log(exc: BaseException, error: OrkestaError) -> None:
    if isinstance(exc, ScopeError):
        logger.critical("A query ran outside its tenant's scope.", exc_info=exc)
    elif isinstance(error, InternalError) or error.http_status == 500:
        logger.error("A request failed: %s", type(exc).__name__, exc_info=exc)
    elif isinstance(exc, DataError | RecursionError | UnicodeError):
        # The caller is told it is their input; still, a gate before this one let it through.
        logger.warning("Input got past the gates: %s", type(exc).__name__, exc_info=exc)
    elif error.http_status > 500:
        logger.warning("A request was answered %s: %s", error.http_status, error.code)
