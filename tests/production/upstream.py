"""An OpenAI-compatible upstream on a port of its own, in a thread: workers are other processes.

What it does with a message is written in the message:

    [slow:1.5]     the answer takes that long      [think:1.5]  so does the decision who answers
    [hang]         the answer stops half-way       [fall]       only the fallback agent answers
    [drip:0.1]     so long between two words       [deadly]     whoever asks for it is killed
    [words:500]    so many of them                 [call:see,pay]  it asks for these tools first
"""

import asyncio
import os
import re
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import orjson
import psutil

from bench.mock_llm import fill
from tests.fakes.llm_server import chunk, usage_chunk

NUM_WORDS: Final = 12
FALLBACK: Final = "Eres Recepcion"
_REFUSAL: Final = b"HTTP/1.1 400 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nconnection: close\r\n\r\n"


def answer_to(text: str) -> str:
    """What every agent answers."""
    return "".join(_words(text))


def tools_in(text: str) -> list[str]:
    """The tools that are asked for before it answers."""
    found = re.search(r"\[call:([\w,]+)\]", text)
    return found[1].split(",") if found else []


def _words(text: str) -> list[str]:
    number = int(_number("words", text) or NUM_WORDS)
    return [f"Sobre «{text}»:", *(f" palabra{n:02d}" for n in range(number))]


@dataclass
class Upstream:
    """Use as a context manager. Counts are by the text of the message."""

    decisions: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    closed_early: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._is_ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        await self._ended.wait()
        server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._answer(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            await task
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: (\d+)", head)
        asked = orjson.loads(await reader.readexactly(int(found[1]) if found else 0))
        text = _question_in(asked["messages"])
        if asked.get("response_format"):
            await self._decide(asked, text, writer)
            return
        self.answers[text] += 1
        if "[deadly]" in text:
            _kill_client(writer)
        if "[fall]" in text and FALLBACK not in asked["messages"][0]["content"]:
            writer.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            return
        leaving = asyncio.ensure_future(reader.read())
        tools = tools_in(text)
        if tools and asked["messages"][-1]["role"] == "user":
            saying = _call(tools, writer)
        else:
            saying = self._speak(text, writer)
        speaking = asyncio.ensure_future(saying)
        await asyncio.wait({leaving, speaking}, return_when=asyncio.FIRST_COMPLETED)
        if not speaking.done():
            self.closed_early[text] += 1
        for task in (leaving, speaking):
            task.cancel()
        await asyncio.gather(leaving, speaking, return_exceptions=True)

    async def _decide(self, asked: dict[str, Any], text: str, writer: asyncio.StreamWriter) -> None:
        self.decisions[_message_in(text)] += 1
        await asyncio.sleep(_number("think", text))
        content = orjson.dumps(fill(asked["response_format"]["json_schema"]["schema"])).decode()
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "finish_reason": "stop",
        }
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        writer.write(_HEAD % b"application/json" + orjson.dumps(body | {"choices": [choice]}))
        await writer.drain()

    async def _speak(self, text: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(_number("slow", text))
        writer.write(_HEAD % b"text/event-stream")
        words = _words(text)
        for number, word in enumerate(words):
            if "[hang]" in text and number == len(words) // 2:
                await asyncio.Event().wait()
            writer.write(_event(chunk({"content": word})))
            await writer.drain()
            await asyncio.sleep(_number("drip", text))
        writer.write(_event(chunk({}, "stop")) + _event(usage_chunk()) + b"data: [DONE]\n\n")
        await writer.drain()


async def _call(tools: list[str], writer: asyncio.StreamWriter) -> None:
    called = [
        {
            "index": place,
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": tool, "arguments": "{}"},
        }
        for place, tool in enumerate(tools)
    ]
    writer.write(_HEAD % b"text/event-stream" + _event(chunk({"tool_calls": called})))
    writer.write(_event(chunk({}, "tool_calls")) + _event(usage_chunk()) + b"data: [DONE]\n\n")
    await writer.drain()


def _question_in(messages: list[dict[str, Any]]) -> str:
    """What the user said last: results of tools may have come after it."""
    return next(str(one["content"]) for one in reversed(messages) if one["role"] == "user")


def _kill_client(writer: asyncio.StreamWriter) -> None:
    """What a task does to its process when it breaks a library written in C."""
    _, port, *_ = writer.get_extra_info("peername")
    for connection in psutil.net_connections("tcp4"):
        if connection.laddr.port == port and connection.pid not in (None, os.getpid()):
            os.kill(connection.pid, signal.SIGKILL)


def _event(payload: Any) -> bytes:
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def _number(what: str, text: str) -> float:
    found = re.search(rf"\[{what}:([0-9.]+)\]", text)
    return float(found[1]) if found else 0.0


def _message_in(text: str) -> str:
    """The message within the question who is to answer it."""
    found = re.search(r"#\d+", text)
    return found[0] if found else text
