"""Calling an address that a tenant chose: `open_client` for a client, `fetch` for one answer."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from orkesta.outbound.errors import OutboundBlocked, OutboundTimeout, outbound_error
from orkesta.outbound.network import CheckedNetwork
from orkesta.outbound.policy import OutboundPolicy
from orkesta.outbound.transport import OutboundTransport, Pool

DEFAULT_TIMEOUT_SECONDS = 10.0
DEFAULT_MAX_BYTES = 1_000_000
MAX_REDIRECTS = 3

# What another origin may learn of a redirected request. Authorization is not in it, nor the
# X-Api-Key and the like in which tools carry their secrets.
_HARMLESS_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "connection", "content-length",
    "content-type", "host", "transfer-encoding", "user-agent",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    """A whole answer. `body` is decompressed; `headers` are case-insensitive."""

    status: int
    headers: httpx2.Headers
    body: bytes

    @property
    def retry_after_seconds(self) -> float | None:
        """What the Retry-After header asks for (RFC 9110 §10.2.3), at least 0; None if nothing."""
        text = self.headers.get("retry-after", "").strip()
        if text.isdecimal() and text.isascii():
            return float(text[:9])
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())


def open_client(
    policy: OutboundPolicy,
    *,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    max_bytes: int = DEFAULT_MAX_BYTES,
    network: CheckedNetwork | None = None,
    tls: ssl.SSLContext | None = None,
    pool: Pool | None = None,
) -> httpx2.AsyncClient:
    """A client that reaches only what `policy` allows; fit for `openai` and `mcp` as `http_client`.

    It is shared by all callers of an event loop and closed with `aclose()`. It keeps no cookies
    (one tenant's must not travel with another's request), follows no redirects and ignores the
    proxies, certificates and passwords of the environment. `timeout_seconds` bounds each exchange
    as a whole, a stream included; `max_bytes` bounds each decompressed body.
    """
    return httpx2.AsyncClient(
        transport=OutboundTransport(
            policy,
            timeout_seconds=timeout_seconds,
            max_bytes=max_bytes,
            network=network,
            tls=tls,
            pool=pool,
        ),
        timeout=timeout_seconds,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


async def fetch(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    timeout_seconds: float | None = None,
    max_redirects: int = 0,
    keep_bytes: int | None = None,
) -> OutboundResponse:
    """Send one request by a client of `open_client` and read the whole answer, whatever its status.

    `timeout_seconds` (by default the client's) bounds all of it, redirects included. Up to
    `max_redirects` (at most 3) redirects are followed, each checked like a first address; the one
    after that is returned as the answer. With `keep_bytes` the body is read no further than that,
    and a longer one is no error. Raises `OutboundBlocked` or `OutboundUnreachable` (the
    same to whoever reads them), `OutboundTimeout`, `OutboundTooLarge`, `OutboundUnreadable`,
    `OutboundUnsendable`.
    """
    if not 0 <= max_redirects <= MAX_REDIRECTS:
        raise ValueError(f"max_redirects is 0 to {MAX_REDIRECTS}")
    limit = client.timeout.read if timeout_seconds is None else timeout_seconds
    try:
        async with asyncio.timeout(limit):
            request = client.build_request(method, url, headers=headers, content=content)
            return await _follow(
                client, request, max_redirects=max_redirects, keep_bytes=keep_bytes
            )
    except TimeoutError as exc:
        raise OutboundTimeout from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as exc:
        raise outbound_error(exc) from exc


async def _follow(
    client: httpx2.AsyncClient,
    request: httpx2.Request,
    *,
    max_redirects: int,
    keep_bytes: int | None,
) -> OutboundResponse:
    redirects_left = max_redirects
    while True:
        response = await client.send(request, stream=True)
        try:
            if response.next_request is None or redirects_left == 0:
                body = await _read(response, keep_bytes)
                return OutboundResponse(response.status_code, response.headers, body)
            request = _for_next_origin(response.next_request, previous=request.url)
            redirects_left -= 1
        finally:
            await response.aclose()


async def _read(response: httpx2.Response, keep_bytes: int | None) -> bytes:
    if keep_bytes is None:
        return await response.aread()
    kept = b""
    async for piece in response.aiter_bytes():
        kept += piece
        if len(kept) >= keep_bytes:
            break
    return kept[:keep_bytes]


def _for_next_origin(request: httpx2.Request, *, previous: httpx2.URL) -> httpx2.Request:
    """`request` without secrets if it leaves the origin of `previous`; never from https to http."""
    if request.url.origin == previous.origin:
        return request
    if previous.scheme == "https" and request.url.scheme != "https":
        raise OutboundBlocked
    for name in set(request.headers) - _HARMLESS_HEADERS:
        del request.headers[name]
    return request
