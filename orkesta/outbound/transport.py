"""The httpx2 transport for addresses that tenants choose: tools, webhooks, MCP servers, LLMs.

It stands below whatever client is built on httpx2 (`openai`, `mcp`, ours), so no client can
forget a check: policy on every request, redirects included; one deadline over the whole exchange;
one cap over the decompressed body. To its users every failure is an exception of httpx2.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from functools import cache
from typing import Protocol, cast

import httpcore2
import httpx2

from orkesta.outbound.errors import AddressBlocked, ResponseTooLarge, UrlNotAllowed
from orkesta.outbound.network import UNREACHABLE, CheckedNetwork
from orkesta.outbound.policy import OutboundPolicy, check_parsed_url

LATE = "The address did not answer in time."
MAX_CONNECTIONS = 100
KEPT_CONNECTIONS = 20
KEPT_SECONDS = 5.0

_CORE_ERRORS = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
)
# The body is handed on decompressed, so what these say no longer fits it.
_BODY_HEADERS = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


@cache
def system_tls() -> ssl.SSLContext:
    """Building one costs tens of milliseconds, so it is shared by all transports."""
    return httpx2.create_ssl_context(trust_env=False)


def _as_httpx2(exc: Exception) -> httpx2.TransportError:
    """The httpx2 exception of the same name; the two libraries keep one vocabulary."""
    kind: type[httpx2.TransportError] = getattr(httpx2, type(exc).__name__, httpx2.TransportError)
    return kind(str(exc))


class _Arriving(httpx2.AsyncByteStream):
    """The bytes as they come from the connection."""

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._source = source

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.pieces()

    async def pieces(self) -> AsyncGenerator[bytes]:
        try:
            async for piece in self._source:
                yield piece
        except _CORE_ERRORS as exc:
            raise _as_httpx2(exc) from exc

    async def aclose(self) -> None:
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()


class _Bounded(httpx2.AsyncByteStream):
    """`pieces` of a body, until `deadline` (loop time) and up to `max_bytes`."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        connection: httpx2.AsyncByteStream,
        *,
        deadline: float,
        max_bytes: int,
    ) -> None:
        self._pieces = pieces
        self._connection = connection
        self._deadline = deadline
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(self._pieces) as pieces:
            while True:
                # The deadline is armed per piece and not around the loop: a timeout that stays
                # open across a yield would cancel the reader wherever it happens to be.
                try:
                    async with asyncio.timeout_at(self._deadline):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except TimeoutError as exc:
                    raise httpx2.ReadTimeout(LATE) from exc
                self._left -= len(piece)
                if self._left < 0:
                    raise ResponseTooLarge("The answer is larger than allowed.")
                yield piece

    async def aclose(self) -> None:
        await self._connection.aclose()


class Pool(Protocol):
    """What carries requests that have been allowed: httpcore2's pool, or one that is like it."""

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response: ...

    async def aclose(self) -> None: ...


class OutboundTransport(httpx2.AsyncBaseTransport):
    """Sends requests that `policy` allows. `timeout_seconds` bounds each exchange from the first
    look-up to the last byte, `max_bytes` its decompressed body. Belongs to one event loop.

    A `pool` of the caller's must dial judged addresses only, as one made here on `network` does.
    """

    def __init__(
        self,
        policy: OutboundPolicy,
        *,
        timeout_seconds: float,
        max_bytes: int,
        network: CheckedNetwork | None = None,
        tls: ssl.SSLContext | None = None,
        pool: Pool | None = None,
    ) -> None:
        self._policy = policy
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._pool = pool or httpcore2.AsyncConnectionPool(
            ssl_context=tls or system_tls(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=network or CheckedNetwork(policy),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            check_parsed_url(request.url, self._policy)
        except UrlNotAllowed as exc:
            raise AddressBlocked(UNREACHABLE) from exc
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._pool.handle_async_request(_core_request(request))
        except TimeoutError as exc:
            raise httpx2.ReadTimeout(LATE) from exc
        except _CORE_ERRORS as exc:
            raise _as_httpx2(exc) from exc
        return self._bounded(answer, deadline=deadline)

    def _bounded(self, answer: httpcore2.Response, *, deadline: float) -> httpx2.Response:
        arriving = _Arriving(cast(AsyncIterable[bytes], answer.stream))
        headers, pieces = answer.headers, arriving.pieces()
        if any(name.lower() == b"content-encoding" for name, _ in headers):
            # The inner response decompresses, in pieces of at most 1 MiB; the outer one hands on
            # what was counted.
            inner = httpx2.Response(answer.status, headers=headers, stream=arriving)
            pieces = inner.aiter_bytes()
            headers = [pair for pair in headers if pair[0].lower() not in _BODY_HEADERS]
        return httpx2.Response(
            answer.status,
            headers=headers,
            stream=_Bounded(pieces, arriving, deadline=deadline, max_bytes=self._max_bytes),
            extensions=dict(answer.extensions),
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


def _core_request(request: httpx2.Request) -> httpcore2.Request:
    return httpcore2.Request(
        method=request.method,
        url=httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=cast(AsyncIterable[bytes], request.stream),
        extensions=request.extensions,
    )
