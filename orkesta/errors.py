"""Every error of Orkesta descends from one tree; each app adds its own leaves in `<app>/errors.py`.

* OrkestaError
  + Malformed (400)             malformed_json, invalid_encoding, too_deep
  + Unauthenticated (401)       key_missing, key_invalid, key_expired, key_revoked
  + Forbidden (403)             scope_missing, tenant_suspended
  + NotFound (404)              not_found: absent and foreign look the same
  + Conflict (409)              state_conflict, session_busy
  + Invalid (422)               validation_failed
  + TooMany (429)               rate_limited, concurrency_limited
  + Upstream (502)              upstream_error
    - UpstreamTimeout (504)     upstream_timeout
  + Unavailable (503)           db_unavailable, circuit_open

The class attributes are the contract: `code` is stable and unique, `http_status` is what HTTP
answers, `retryable` says whether the same request may succeed later. The docstring is the default
message. On the wire they all take the shape of RFC 9457 (`application/problem+json`), built by
`problem()` and nowhere else.
"""

import math
from typing import Any, ClassVar

DOCS_URL = "https://orkesta.dev/errors#"


class OrkestaError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details = details
        super().__init__(self.message)

    @property
    def title(self) -> str:
        """The kind of failure in words; the same for every occurrence of the code."""
        return (type(self).__doc__ or "").strip().splitlines()[0]

    @property
    def retry_after_seconds(self) -> float | None:
        """Seconds the caller should wait, when the raiser knows them (`retry_after=` detail)."""
        value = self.details.get("retry_after")
        return None if value is None else float(value)


class InternalError(OrkestaError):
    """Something went wrong on our side; it has been recorded."""

    code = "internal_error"
    retryable = True


class Malformed(OrkestaError):
    """The request body could not be read."""

    code = "malformed"
    http_status = 400


class MalformedJson(Malformed):
    """The request body is not valid JSON."""

    code = "malformed_json"


class InvalidEncoding(Malformed):
    """The text holds characters that cannot be stored: NUL or a lone surrogate."""

    code = "invalid_encoding"


class TooDeep(Malformed):
    """The JSON is nested too deeply."""

    code = "too_deep"


class MalformedCursor(Malformed):
    """The cursor is not one that this API issued."""

    code = "malformed_cursor"


class Unauthenticated(OrkestaError):
    """Authentication is required."""

    code = "unauthenticated"
    http_status = 401


class Forbidden(OrkestaError):
    """You may not do this."""

    code = "forbidden"
    http_status = 403


class NotFound(OrkestaError):
    """There is no such thing here."""

    code = "not_found"
    http_status = 404


class MethodNotAllowed(OrkestaError):
    """This address does not answer that method."""

    code = "method_not_allowed"
    http_status = 405


class NotAcceptable(OrkestaError):
    """None of the media types you accept can be produced here."""

    code = "not_acceptable"
    http_status = 406


class Conflict(OrkestaError):
    """The request does not fit the present state."""

    code = "conflict"
    http_status = 409


class StateConflict(Conflict):
    """That move is not allowed in the present state."""

    code = "state_conflict"


class BodyTooLarge(OrkestaError):
    """The request body is larger than allowed."""

    code = "body_too_large"
    http_status = 413


class UnsupportedMedia(OrkestaError):
    """The request body must be application/json in UTF-8."""

    code = "unsupported_media"
    http_status = 415


class Invalid(OrkestaError):
    """The request is well formed, but some values are not acceptable.

    `errors` is a list of `{"pointer", "code", "detail"}`; `pointer` is a JSON Pointer (RFC 6901)
    into the body, or `?name` for a query parameter.
    """

    code = "validation_failed"
    http_status = 422


class TooMany(OrkestaError):
    """Too many requests."""

    code = "too_many"
    http_status = 429
    retryable = True


class RateLimited(TooMany):
    """The rate limit is used up for the moment."""

    code = "rate_limited"


class Upstream(OrkestaError):
    """A service that Orkesta depends on answered with an error."""

    code = "upstream_error"
    http_status = 502
    retryable = True


class UpstreamTimeout(Upstream):
    """A service that Orkesta depends on did not answer in time."""

    code = "upstream_timeout"
    http_status = 504


class Unavailable(OrkestaError):
    """The service is unavailable for the moment."""

    code = "unavailable"
    http_status = 503
    retryable = True


class DatabaseUnavailable(Unavailable):
    """The database does not answer."""

    code = "db_unavailable"


def problem(error: OrkestaError, *, request_id: str = "") -> dict[str, Any]:
    """`error` in the one wire shape (RFC 9457), for HTTP bodies and `error` events alike."""
    body: dict[str, Any] = {
        "type": DOCS_URL + error.code,
        "title": error.title,
        "status": error.http_status,
        "detail": error.message,
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if error.retry_after_seconds is not None:
        # Sockets have no headers to say it in.
        body["retry_after"] = max(1, math.ceil(error.retry_after_seconds))
    if "errors" in error.details:
        body["errors"] = error.details["errors"]
    return body


def all_error_types(base: type[OrkestaError] = OrkestaError) -> list[type[OrkestaError]]:
    """`base` and every class below it, depth first: what `docs/errors.md` is generated from."""
    found = [base]
    for child in base.__subclasses__():
        found.extend(all_error_types(child))
    return found
