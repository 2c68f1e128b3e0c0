"""An OpenAI-compatible upstream that behaves as told: well, badly, or not at all.

    fake = FakeLLM(status(429, retry_after="0"), says("Hola", " mundo"))
    client = LLMClient(transports={FAKE_URL: InProcessTransport(fake)})

Each request takes the next behaviour; the last one stays.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

FAKE_URL = "https://llm.test"
FAKE_BASE_URL = f"{FAKE_URL}/v1"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3}}


@dataclass
class Call:
    """One request to the fake, and the means to answer it."""

    headers: dict[str, str]
    body: dict[str, Any]
    path: str
    receive: Any
    send: Any
    was_closed: bool = False
    num_sent: int = 0

    async def start(self, status: int = 200, **headers: str) -> None:
        named = {"content_type": "text/event-stream", **headers}
        raw = [(n.replace("_", "-").encode(), v.encode()) for n, v in named.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        self.num_sent += 1
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def event(self, payload: Any) -> None:
        await self.write(b"data: " + orjson.dumps(payload) + b"\n\n")

    async def json(self, status: int, payload: Any, **headers: str) -> None:
        await self.start(status, content_type="application/json", **headers)
        await self.write(orjson.dumps(payload), more=False)


Behaviour = Callable[[Call], Awaitable[None]]


@dataclass
class FakeLLM:
    """The upstream as an ASGI app; `calls` are the requests it has seen."""

    behaviours: list[Behaviour] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)
        self.calls = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        call = Call(headers, orjson.loads(message["body"]), scope["path"], receive, send)
        self.calls.append(call)
        behaviour = self.behaviours[min(len(self.calls), len(self.behaviours)) - 1]
        try:
            await behaviour(call)
        except (asyncio.CancelledError, OSError):
            call.was_closed = True
            raise


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fake-1",
        "choices": [choice],
        "usage": None,
    }


def usage_chunk(usage: Any = USAGE) -> dict[str, Any]:
    return chunk({}) | {"choices": [], "usage": usage}


def says(*pieces: str, usage: Any = USAGE, pause: float = 0.0) -> Behaviour:
    """A well-behaved stream, or one document when no stream was asked for."""

    async def behave(call: Call) -> None:
        if not call.body.get("stream"):
            message = {"role": "assistant", "content": "".join(pieces)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {"id": "chatcmpl-1", "model": "fake-1", "choices": [choice], "usage": usage}
            await call.json(200, answer)
            return
        await call.start()
        await call.event(chunk({"role": "assistant", "content": ""}))
        for piece in pieces:
            await call.event(chunk({"content": piece}))
            await asyncio.sleep(pause)
        await call.event(chunk({}, "stop"))
        if usage is not None:
            await call.event(usage_chunk(usage))
        await call.write(b"data: [DONE]\n\n", more=False)

    return behave


def calls_tool(name: str, *arguments: str) -> Behaviour:
    """A stream that asks for a tool, its arguments in pieces."""

    async def behave(call: Call) -> None:
        await call.start()
        function = {"name": name, "arguments": ""}
        head = {"index": 0, "id": "call_9", "type": "function", "function": function}
        await call.event(chunk({"role": "assistant", "content": None, "tool_calls": [head]}))
        for piece in arguments:
            part = {"index": 0, "function": {"arguments": piece}}
            await call.event(chunk({"tool_calls": [part]}))
        await call.event(chunk({}, "tool_calls"))
        await call.write(b"data: [DONE]\n\n", more=False)

    return behave


def calls_tools(*calls: tuple[str, Any], text: str = "", usage: Any = USAGE) -> Behaviour:
    """A stream that asks for these tools, each a name and its arguments (raw when it is a text),
    after having said `text`.
    """

    async def behave(call: Call) -> None:
        await call.start()
        if text:
            await call.event(chunk({"role": "assistant", "content": text}))
        for index, (name, arguments) in enumerate(calls):
            raw_arguments = arguments if isinstance(arguments, str) else json.dumps(arguments)
            function = {"name": name, "arguments": raw_arguments}
            asked = {"index": index, "id": f"call_{index}", "type": "function"}
            await call.event(chunk({"tool_calls": [asked | {"function": function}]}))
        await call.event(chunk({}, "tool_calls"))
        if usage is not None:
            await call.event(usage_chunk(usage))
        await call.write(b"data: [DONE]\n\n", more=False)

    return behave


def status(code: int, body: Any = None, **headers: str) -> Behaviour:
    async def behave(call: Call) -> None:
        await call.json(code, body or {"error": {"message": "no", "code": None}}, **headers)

    return behave


def raw(*parts: bytes, content_type: str = "text/event-stream", is_cut: bool = False) -> Behaviour:
    """Exactly these bytes; `is_cut` drops the connection after them."""

    async def behave(call: Call) -> None:
        await call.start(content_type=content_type)
        for part in parts:
            await call.write(part)
        if is_cut:
            raise ConnectionResetError("cut by the fake")
        await call.write(b"", more=False)

    return behave


def data(payload: Any) -> bytes:
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def hangs(*parts: bytes, starts: bool = True) -> Behaviour:
    """Says `parts`, then nothing more, and keeps the connection open."""

    async def behave(call: Call) -> None:
        if starts:
            await call.start()
        for part in parts:
            await call.write(part)
        await asyncio.Event().wait()

    return behave


def drips(part: bytes, *, pause: float) -> Behaviour:
    """Sends the same bytes for ever."""

    async def behave(call: Call) -> None:
        await call.start()
        while True:
            await call.write(part)
            await asyncio.sleep(pause)

    return behave
