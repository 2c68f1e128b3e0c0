"""What stands between `mcp` and the network: HTTP failures put into words of JSON-RPC.

The client loses its whole session, with every call on it, when one POST fails below HTTP, and it
does not tell one bad status from another. Here such an answer becomes a JSON-RPC error, which it
hands to the one call that it concerns. Codes are from the range that JSON-RPC 2.0 leaves to
implementations.
"""

from typing import Any, Final

import httpx2
import orjson

from orkesta.outbound import OutboundResponse
from orkesta.outbound.errors import ResponseTooLarge

NOT_CONNECTED: Final = -32090
BROKEN_OFF: Final = -32091
TOO_LATE: Final = -32092
BAD_STATUS: Final = -32093
NOT_READABLE: Final = -32094
TOO_LARGE: Final = -32095

#: The client reads these by itself: method unknown, session gone, version refused.
_ITS_OWN: Final = frozenset({400, 404, 405, 406})


class TellingTransport(httpx2.AsyncBaseTransport):
    """Passes requests to `inner`; a POST that fails comes back as an answer that says how."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        try:
            response = await self._inner.handle_async_request(request)
            return await _told(response)
        except httpx2.TransportError as exc:
            return _error(_code_of(exc), {})
        except httpx2.DecodingError:
            return _error(NOT_READABLE, {})

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _told(response: httpx2.Response) -> httpx2.Response:
    """`response`, read to its end when it is JSON, so that it can no longer fail on the way."""
    status = response.status_code
    if status >= 400 and status not in _ITS_OWN:
        await response.aclose()
        found = OutboundResponse(status, response.headers, b"")
        return _error(BAD_STATUS, {"status": status, "retry_after": found.retry_after_seconds})
    if response.headers.get("content-type", "").lower().startswith("application/json"):
        try:
            orjson.loads(await response.aread())
        except orjson.JSONDecodeError:
            return _error(NOT_READABLE, {})
        finally:
            await response.aclose()
    return response


def _error(code: int, data: dict[str, Any]) -> httpx2.Response:
    # The client gives an error without an id to the request that this answers.
    error = {"code": code, "message": "", "data": data}
    body = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": error})
    return httpx2.Response(502, headers={"content-type": "application/json"}, content=body)


def _code_of(exc: httpx2.TransportError) -> int:
    kinds: tuple[tuple[type[Exception], int], ...] = (
        (ResponseTooLarge, TOO_LARGE),
        (httpx2.ConnectTimeout, NOT_CONNECTED),
        (httpx2.TimeoutException, TOO_LATE),
        (httpx2.ConnectError, NOT_CONNECTED),
        (httpx2.UnsupportedProtocol, NOT_CONNECTED),
    )
    return next((code for kind, code in kinds if isinstance(exc, kind)), BROKEN_OFF)
