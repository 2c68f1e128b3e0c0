"""Vendors' exceptions become ours here, with nothing in their words that must not be seen."""

import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import anyio
import httpx2
import openai

from routing.errors import (
    LLMAuthFailed,
    LLMBadAnswer,
    LLMError,
    LLMRateLimited,
    LLMRejected,
    LLMTimeout,
    LLMUnreachable,
)
from routing.llm.storable import storable
from routing.llm.types import LLMTarget

#: The nearest class of an exception found here decides. Statuses come first, see STATUSES.
KINDS: Final[Mapping[type[Exception], type[LLMError]]] = {
    openai.APITimeoutError: LLMTimeout,
    openai.APIConnectionError: LLMUnreachable,
    openai.APIResponseValidationError: LLMBadAnswer,
    openai.AuthenticationError: LLMAuthFailed,
    openai.PermissionDeniedError: LLMAuthFailed,
    openai.BadRequestError: LLMRejected,
    openai.NotFoundError: LLMRejected,
    openai.ConflictError: LLMError,
    openai.UnprocessableEntityError: LLMRejected,
    openai.RateLimitError: LLMRateLimited,
    openai.InternalServerError: LLMError,
    openai.APIStatusError: LLMRejected,
    openai.APIError: LLMError,
    openai.LengthFinishReasonError: LLMBadAnswer,
    openai.ContentFilterFinishReasonError: LLMRejected,
    openai.WebSocketConnectionClosedError: LLMUnreachable,
    openai.WebSocketQueueFullError: LLMUnreachable,
    openai.OpenAIError: LLMError,
    httpx2.TimeoutException: LLMTimeout,
    httpx2.UnsupportedProtocol: LLMRejected,
    httpx2.LocalProtocolError: LLMRejected,
    httpx2.TransportError: LLMUnreachable,
    httpx2.DecodingError: LLMBadAnswer,
    httpx2.TooManyRedirects: LLMRejected,
    httpx2.HTTPError: LLMError,
    httpx2.InvalidURL: LLMRejected,
    ssl.SSLError: LLMUnreachable,
    anyio.EndOfStream: LLMUnreachable,
}

STATUSES: Final[Mapping[int, type[LLMError]]] = {
    408: LLMTimeout,
    502: LLMUnreachable,
    503: LLMUnreachable,
    504: LLMTimeout,
    529: LLMUnreachable,  # Anthropic: overloaded
}

#: What the SDK and the HTTP client raise; whatever else passes is a bug of ours.
VENDOR_EXCEPTIONS: Final = (
    openai.OpenAIError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    ssl.SSLError,
    anyio.EndOfStream,
)

MAX_PROVIDER_WORDS: Final = 200

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_NAMED_SECRET = re.compile(
    r"\b(api[-_ ]?key|key|token|secret|password|authorization|bearer)\b(\s*[:=]\s*|\s+)\S+",
    re.IGNORECASE,
)
_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|gsk|xai|ork|hf|AIza)[-_A-Za-z0-9*.]{6,}|[-_A-Za-z0-9]{32,}")


def translate(exc: Exception, target: LLMTarget) -> LLMError:
    """Our error for a vendor's exception. Details: `endpoint`, `host`, and where known
    `upstream_status`, `provider_code`, `provider_request_id`, `retry_after` (seconds).
    """
    details: dict[str, object] = {"endpoint": target.name, "host": host_of(target.base_url)}
    kind = kind_of(exc)
    reason = ""
    if isinstance(exc, openai.APIStatusError):
        details["upstream_status"] = exc.status_code
        if exc.request_id:
            details["provider_request_id"] = redact(exc.request_id, target)
        wait = retry_after_seconds(exc.response.headers)
        if wait is not None:
            details["retry_after"] = wait
        reason = f" (HTTP {exc.status_code})"
    if isinstance(exc, openai.APIError) and exc.code:
        details["provider_code"] = redact(exc.code, target)
    words = provider_words(exc, target) if kind is LLMRejected else ""
    title = (kind.__doc__ or "").strip().rstrip(".")
    return kind(f"{title}{reason}{': ' + words if words else '.'}", **details)


def kind_of(exc: Exception) -> type[LLMError]:
    """Which of our errors a vendor's exception becomes."""
    if isinstance(exc, openai.APIStatusError) and exc.status_code in STATUSES:
        return STATUSES[exc.status_code]
    if isinstance(exc, openai.APIConnectionError) and isinstance(exc.__cause__, VENDOR_EXCEPTIONS):
        # The SDK calls an impossible address a connection error, which would be tried again.
        return kind_of(exc.__cause__)
    return next(KINDS[kind] for kind in type(exc).__mro__ if kind in KINDS)


def provider_words(exc: Exception, target: LLMTarget) -> str:
    """What the provider says is wrong with the request, redacted; empty when it says nothing."""
    body = exc.body if isinstance(exc, openai.APIError) else None
    words = body.get("message") if isinstance(body, dict) else None
    return redact(words, target) if isinstance(words, str) else ""


def redact(words: str, target: LLMTarget) -> str:
    """`words` without this target's key, anything that looks like a key, and URLs."""
    key = target.api_key.reveal()
    if key:
        words = words.replace(key, "•••")
    words = _URL.sub("[url]", words)
    words = _NAMED_SECRET.sub(lambda found: f"{found.group(1)} •••", words)
    words = _KEY_LIKE.sub("•••", words)
    return storable(" ".join(words.split()))[:MAX_PROVIDER_WORDS]


def host_of(base_url: str) -> str:
    try:
        return httpx2.URL(base_url).host
    except httpx2.InvalidURL:
        return ""


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """`Retry-After-Ms` (OpenAI), or `Retry-After` in seconds or as an HTTP date; None otherwise."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None
