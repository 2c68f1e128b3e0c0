"""`fetch` against a server that misbehaves in every way we know."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest
import time_machine

from orkesta.errors import OrkestaError, problem
from orkesta.outbound import (
    OutboundBlocked,
    OutboundPolicy,
    OutboundResponse,
    OutboundTimeout,
    OutboundTooLarge,
    OutboundUnreachable,
    OutboundUnreadable,
    OutboundUnsendable,
    fetch,
    open_client,
)
from orkesta.outbound.network import CheckedNetwork
from orkesta.outbound.quick_pool import QuickPool
from orkesta.outbound.transport import system_tls
from tests.fakes.hostile_http import HostileServer


@pytest.fixture
async def hostile() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


@pytest.fixture(params=["httpcore2", "quick"])
async def client(
    hostile: HostileServer, request: pytest.FixtureRequest
) -> AsyncIterator[httpx2.AsyncClient]:
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({hostile.port}))
    quick = QuickPool(CheckedNetwork(policy), tls=system_tls())
    pool = quick if request.param == "quick" else None
    async with open_client(policy, timeout_seconds=2, pool=pool) as opened:
        yield opened


async def test_it_returns_the_whole_answer(
    client: httpx2.AsyncClient, hostile: HostileServer
) -> None:
    answer = await fetch(
        client, "POST", hostile.url("/ok?a=1"), headers={"X-Tool": "t"}, content=b"{}"
    )
    assert (answer.status, answer.body) == (200, b"fine")
    assert answer.headers["content-type"] == "text/plain"
    [seen] = hostile.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/ok?a=1", b"{}")
    assert seen.headers["x-tool"] == "t"
    assert seen.headers["host"] == f"127.0.0.1:{hostile.port}"


async def test_a_compressed_answer_comes_unpacked_and_its_headers_say_so(
    client: httpx2.AsyncClient, hostile: HostileServer
) -> None:
    answer = await fetch(client, "GET", hostile.url("/gzip"))
    assert answer.body == b"unpacked"
    assert not {"content-encoding", "content-length"} & set(answer.headers)


async def test_an_error_status_is_an_answer(
    client: httpx2.AsyncClient, hostile: HostileServer
) -> None:
    answer = await fetch(client, "GET", hostile.url("/busy"))
    assert (answer.status, answer.retry_after_seconds, answer.body) == (429, 7.0, b"later")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0), ("120", 120.0), ("", None), ("-1", None), ("soon", None), ("1.5", None),
        ("９", None), ("9" * 400, 999_999_999.0), ("Fri, 20 Nov 2026 12:01:30 GMT", 90.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0), ("Fri, 20 Nov 2026 12:01:30", 90.0),
        ("Fri, 99 Nov 2026 12:01:30 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_its_forms(header: str, seconds: float | None) -> None:
    headers = httpx2.Headers([(b"retry-after", header.encode())])
    with time_machine.travel(datetime(2026, 11, 20, 12, 0, tzinfo=UTC), tick=False):
        assert OutboundResponse(429, headers, b"").retry_after_seconds == seconds


@pytest.mark.parametrize("path", ["/hang", "/drip", "/drip-header"])
async def test_the_deadline_holds_for_the_whole_exchange(
    client: httpx2.AsyncClient, hostile: HostileServer, path: str
) -> None:
    started = time.monotonic()
    with pytest.raises(OutboundTimeout):
        await fetch(client, "GET", hostile.url(path), timeout_seconds=0.2)
    assert 0.15 < time.monotonic() - started < 10


@pytest.mark.parametrize("path", ["/hang", "/drip", "/drip-header"])
async def test_the_client_itself_has_the_deadline(hostile: HostileServer, path: str) -> None:
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({hostile.port}))
    started = time.monotonic()
    async with open_client(policy, timeout_seconds=0.2) as client:
        # The caller's own, longer timeout does not lift the client's.
        with pytest.raises(httpx2.TimeoutException):
            await client.get(hostile.url(path), timeout=60)
    assert 0.15 < time.monotonic() - started < 10


@pytest.mark.parametrize("path", ["/huge", "/bomb"])
async def test_the_cap_counts_decompressed_bytes(
    client: httpx2.AsyncClient, hostile: HostileServer, path: str
) -> None:
    with pytest.raises(OutboundTooLarge):
        await fetch(client, "GET", hostile.url(path))


async def test_a_body_of_exactly_the_cap_passes_and_one_byte_more_does_not(
    hostile: HostileServer,
) -> None:
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({hostile.port}))
    async with open_client(policy, max_bytes=4) as client:
        assert (await fetch(client, "GET", hostile.url("/ok"))).body == b"fine"
    async with open_client(policy, max_bytes=3) as client:
        with pytest.raises(OutboundTooLarge):
            await fetch(client, "GET", hostile.url("/ok"))


@pytest.mark.parametrize("path", ["/garbage", "/close", "/broken-gzip"])
async def test_what_cannot_be_read_is_an_error_of_ours(
    client: httpx2.AsyncClient, hostile: HostileServer, path: str
) -> None:
    with pytest.raises(OutboundUnreadable):
        await fetch(client, "GET", hostile.url(path))


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00b", "ñ\ud800"])
async def test_a_header_that_http_forbids_is_not_sent(
    client: httpx2.AsyncClient, hostile: HostileServer, value: str
) -> None:
    with pytest.raises(OutboundUnsendable):
        await fetch(client, "GET", hostile.url("/ok"), headers={"X-Tool": value})
    assert hostile.seen == []


async def test_blocked_and_unreachable_cannot_be_told_apart(
    client: httpx2.AsyncClient, hostile: HostileServer
) -> None:
    async def failure(opened: httpx2.AsyncClient, url: str) -> OrkestaError:
        with pytest.raises(OutboundUnreachable) as caught:
            await fetch(opened, "GET", url)
        return caught.value

    port = hostile.port
    await hostile.__aexit__()
    unreachable = await failure(client, f"http://127.0.0.1:{port}/")
    async with open_client(OutboundPolicy(extra_ports=frozenset({port}))) as strict:
        for url in [
            f"http://127.0.0.1:{port}/",
            "file:///etc/passwd",
            "http://[::1",
            "http://x:1/",
        ]:
            blocked = await failure(strict, url)
            assert isinstance(blocked, OutboundBlocked)
            assert problem(blocked) == problem(unreachable)
    assert not isinstance(unreachable, OutboundBlocked)


async def test_it_keeps_no_cookies(client: httpx2.AsyncClient, hostile: HostileServer) -> None:
    await fetch(client, "GET", hostile.url("/cookie"))
    await fetch(client, "GET", hostile.url("/ok"))
    assert "cookie" not in hostile.seen[-1].headers


async def test_it_ignores_proxies_of_the_environment(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({hostile.port}))
    async with open_client(policy) as client:
        assert (await fetch(client, "GET", hostile.url("/ok"))).status == 200


async def test_a_cancelled_call_leaves_the_client_usable(
    client: httpx2.AsyncClient, hostile: HostileServer
) -> None:
    calls = [asyncio.ensure_future(fetch(client, "GET", hostile.url("/drip"))) for _ in range(20)]
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
    assert (await fetch(client, "GET", hostile.url("/ok"))).body == b"fine"
