import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from orkesta.outbound import OutboundPolicy
from routing.errors import LLMUnreachable
from routing.llm.client import LLMClient
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
    client = LLMClient(retry=QUICK, policy=OutboundPolicy(allow_private=True, any_port=True))
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


async def test_many_answers_at_once_share_one_client() -> None:
    line = Line(ANSWER + END)
    async with connected(line) as (client, target):
        answers = await asyncio.gather(*(_ask(client, target) for _ in range(200)))
    assert {answer.text for answer in answers} == {"Hola"}
    assert line.num_requests == 200
    assert line.num_connections <= 200


async def test_an_address_that_the_policy_shuts_is_unreachable() -> None:
    line = Line(ANSWER + END)
    async with connected(line) as (_, target):
        client = LLMClient(retry=QUICK)
        with pytest.raises(LLMUnreachable):
            await _ask(client, target)
        await client.aclose()
    assert line.num_connections == 0
