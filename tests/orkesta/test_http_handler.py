import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.signals import request_finished
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils import translation

from orkesta.http_handler import PooledHandler

ended: list[str] = []


async def endless() -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)
    finally:
        ended.append("endless")


def chunks() -> Iterator[bytes]:
    for _ in range(3):
        yield threading.current_thread().name.encode()[:7]
    ended.append("chunks")


def where(request: HttpRequest) -> HttpResponse:
    name, language = threading.current_thread().name, translation.get_language()
    translation.activate("de")
    return HttpResponse(f"{name} {language} {len(request.body)}")


async def asynchronous(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("awaited")


def broken(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


urlpatterns = [
    path("where", where),
    path("async", asynchronous),
    path("broken", broken),
    path("endless", lambda request: StreamingHttpResponse(endless())),
    path("chunks", lambda request: StreamingHttpResponse(chunks())),
    path("file", lambda request: FileResponse(BytesIO(Path(__file__).read_bytes()))),
]


@pytest.fixture
def handler(settings: Any) -> PooledHandler:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    settings.ORKESTA_REQUEST_THREADS = 2
    ended.clear()
    return PooledHandler()


class Call:
    """One HTTP request to the handler."""

    def __init__(self, handler: PooledHandler, place: str) -> None:
        headers = [(b"host", b"testserver")]
        scope = {"type": "http", "method": "POST", "path": place, "query_string": b""}
        self.app = ApplicationCommunicator(handler, scope | {"headers": headers})

    async def send(self, body: bytes = b"", *, more_body: bool = False) -> None:
        await self.app.send_input({"type": "http.request", "body": body, "more_body": more_body})

    async def read(self) -> tuple[int, bytes]:
        status, body = (await self.app.receive_output(5))["status"], b""
        while True:
            message = await self.app.receive_output(5)
            body += message.get("body", b"")
            if not message.get("more_body"):
                await self.app.wait(5)
                return status, body


async def call(handler: PooledHandler, place: str, body: bytes = b"") -> tuple[int, bytes]:
    request = Call(handler, place)
    await request.send(body)
    return await request.read()


async def test_requests_share_the_threads_and_nothing_else(handler: PooledHandler) -> None:
    told = await asyncio.gather(*(call(handler, "/where", b"x" * n) for n in range(20)))
    names = {body.split()[0] for _, body in told}
    assert names <= {b"request_0", b"request_1"}
    assert {body.split()[1] for _, body in told} == {told[0][1].split()[1]}
    assert [int(body.split()[2]) for _, body in told] == list(range(20))


async def test_an_asynchronous_view_is_awaited(handler: PooledHandler) -> None:
    assert await call(handler, "/async") == (200, b"awaited")


async def test_an_error_is_answered(handler: PooledHandler) -> None:
    assert (await call(handler, "/broken"))[0] == 500


async def test_a_body_that_comes_slowly_holds_no_thread(handler: PooledHandler) -> None:
    slow = [Call(handler, "/where") for _ in range(4)]
    for request in slow:
        await request.send(b"a", more_body=True)
    assert (await call(handler, "/where"))[0] == 200
    for request in slow:
        await request.send(b"b")
        assert (await request.read())[1].endswith(b" 2")


async def test_streams_hold_no_thread_and_end_with_their_client(handler: PooledHandler) -> None:
    streams = [Call(handler, "/endless") for _ in range(4)]
    for stream in streams:
        await stream.send()
        await stream.app.receive_output(5)
    assert (await call(handler, "/where"))[0] == 200
    for stream in streams:
        await stream.app.send_input({"type": "http.disconnect"})
        await stream.app.wait(5)
    assert ended == ["endless"] * 4


async def test_a_synchronous_stream_is_produced_in_the_pool(handler: PooledHandler) -> None:
    assert await call(handler, "/chunks") == (200, b"request" * 3)
    assert ended == ["chunks"]


async def test_a_file_is_sent_whole(handler: PooledHandler) -> None:
    status, body = await call(handler, "/file")
    assert (status, b"test_a_file_is_sent_whole" in body) == (200, True)


async def test_each_request_finishes_once(handler: PooledHandler) -> None:
    finished: list[str] = []

    def note(**_: Any) -> None:
        finished.append(threading.current_thread().name)

    request_finished.connect(note)
    for place in ("/where", "/chunks", "/broken"):
        await call(handler, place)
    request_finished.disconnect(note)
    assert len(finished) == 3
    assert all(name.startswith("request_") for name in finished)
