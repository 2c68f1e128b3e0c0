import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from routing.llm.inprocess import MAX_UNREAD, ClientGone, InProcessTransport

START = {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]}


def _body(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def _client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=InProcessTransport(app), timeout=20.0)


async def test_it_hands_the_body_over_as_the_app_sends_it() -> None:
    may_go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(_body(b"first"))
        await may_go_on.wait()
        await send(_body(b"last", more=False))

    async with _client(app) as client, client.stream("GET", "http://app.test") as response:
        chunks: AsyncIterator[bytes] = response.aiter_bytes()
        assert response.headers["x-a"] == "1"
        assert await anext(chunks) == b"first"
        may_go_on.set()
        assert [chunk async for chunk in chunks] == [b"last"]


async def test_the_app_sees_the_whole_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        seen = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}"
        assert dict(scope["headers"])[b"x-b"] == b"2"
        await send(START)
        await send(_body(seen.encode() + message["body"], more=False))

    async with _client(app) as client:
        response = await client.post(
            "http://app.test/a/b?c=d", content=b" hi", headers={"X-B": "2"}
        )
    assert response.content == b"POST /a/b?c=d hi"


async def test_closing_the_response_stops_the_app_and_tells_it() -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        try:
            await asyncio.Event().wait()
        finally:
            told.append((await receive())["type"])
            with pytest.raises(ClientGone):
                await send(_body(b"too late"))

    async with _client(app) as client:
        async with client.stream("GET", "http://app.test"):
            assert told == []
        assert told == ["http.disconnect"]


async def test_an_app_that_fails_looks_like_a_dropped_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(_body(b"first"))
        raise ZeroDivisionError

    async with _client(app) as client, client.stream("GET", "http://app.test") as response:
        chunks = response.aiter_bytes()
        assert await anext(chunks) == b"first"
        with pytest.raises(httpx2.RemoteProtocolError) as caught:
            await anext(chunks)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("sends_start", [True, False])
async def test_an_app_that_ends_early_looks_like_a_dropped_connection(sends_start: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if sends_start:
            await send(START)

    async with _client(app) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("http://app.test")


@pytest.mark.parametrize("sends_start", [True, False])
async def test_an_app_that_hangs_runs_into_the_read_timeout(sends_start: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if sends_start:
            await send(START)
        await asyncio.Event().wait()

    async with _client(app) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get("http://app.test", timeout=0.05)
        assert len(asyncio.all_tasks()) == 1


async def test_a_fast_app_waits_for_a_slow_reader() -> None:
    num_sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal num_sent
        await send(START)
        for _ in range(1000):
            await send(_body(b"x"))
            num_sent += 1
        await send(_body(b"", more=False))

    async with _client(app) as client, client.stream("GET", "http://app.test") as response:
        for _ in range(200):
            await asyncio.sleep(0)
        assert num_sent <= MAX_UNREAD
        assert len(await response.aread()) == 1000
