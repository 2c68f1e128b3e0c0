import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest

from routing.errors import LLMUnreachable
from routing.llm.client import LLMClient
from routing.llm.pool import MAX_PER_POOL, SpillingPool
from routing.llm.types import Completion, LLMTarget
from tests.fakes.llm_door import HELLO, QUICK, TARGET
from tests.fakes.llm_server import chunk, data

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _framed(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


ANSWER = HEAD + _framed(
    data(chunk({"content": "Hola"})), data(chunk({}, "stop")), b"data: [DONE]\n\n"
)
END = b"0\r\n\r\n"


class Line:
    """A bare TCP server: answers every request with the same bytes, and may hang up after them."""

    def __init__(self, answer: bytes, *, hangs_up: bool = False) -> None:
        self.answer = answer
        self.hangs_up = hangs_up
        self.num_connections = 0
        self.num_requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        try:
            while not reader.at_eof():
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                self.num_requests += 1
                writer.write(self.answer)
                await writer.drain()
                if self.hangs_up:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def connected(line: Line) -> AsyncIterator[tuple[LLMClient, LLMTarget]]:
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = LLMClient(retry=QUICK)
    try:
        yield client, replace(TARGET, base_url=f"http://127.0.0.1:{port}/v1")
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()


async def _ask(client: LLMClient, target: LLMTarget) -> Completion:
    seen = [piece async for piece in client.stream(target, HELLO)]
    assert isinstance(seen[-1], Completion)
    return seen[-1]


async def test_a_connection_serves_one_answer_after_another() -> None:
    line = Line(ANSWER + END)
    async with connected(line) as (client, target):
        for _ in range(5):
            assert (await _ask(client, target)).text == "Hola"
    assert (line.num_requests, line.num_connections) == (5, 1)


async def test_a_line_cut_in_the_middle_is_a_typed_error_after_the_pieces() -> None:
    line = Line(HEAD + _framed(data(chunk({"content": "Hola"}))), hangs_up=True)
    async with connected(line) as (client, target):
        stream = client.stream(target, HELLO)
        assert await anext(stream) == "Hola"
        with pytest.raises(LLMUnreachable):
            await anext(stream)
    assert line.num_requests == 1


async def test_a_line_cut_before_the_answer_is_tried_again() -> None:
    line = Line(b"", hangs_up=True)
    async with connected(line) as (client, target):
        with pytest.raises(LLMUnreachable):
            await _ask(client, target)
    assert line.num_requests == QUICK.attempts


async def test_closing_the_stream_hangs_up() -> None:
    line = Line(HEAD + _framed(data(chunk({"content": "Hola"}))))
    async with connected(line) as (client, target):
        stream = client.stream(target, HELLO)
        await anext(stream)
        await stream.aclose()
        await _ask_in_vain(client, target)
    assert line.num_connections == 2


async def _ask_in_vain(client: LLMClient, target: LLMTarget) -> None:
    stream = client.stream(target, HELLO)
    await anext(stream)
    await stream.aclose()


class Counting(httpx2.AsyncBaseTransport):
    """A transport that holds every answer open."""

    def __init__(self) -> None:
        self.num_requests = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.num_requests += 1
        return httpx2.Response(200, stream=Endless())


class Endless(httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"x"


async def test_requests_spill_into_another_pool_and_come_back() -> None:
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    pool = SpillingPool(make)
    request = httpx2.Request("GET", "http://pool.test")
    running = [await pool.handle_async_request(request) for _ in range(MAX_PER_POOL + 3)]
    assert [transport.num_requests for transport in made] == [MAX_PER_POOL, 3]
    for _ in range(2):
        await running[0].stream.aclose()  # type: ignore[union-attr]
    for _ in range(2):
        await pool.handle_async_request(request)
    assert [transport.num_requests for transport in made] == [MAX_PER_POOL + 1, 4]
