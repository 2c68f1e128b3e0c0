"""The mock LLM: an OpenAI-compatible server that costs next to nothing, in a process of its own.

    python -m bench.mock_llm [--port 0]        prints "listening on <port>" once it does

It answers a request with a `response_format` at once and whole, filling the schema: the first
value of each enum, 0.9 for numbers, "bench" for texts. One that asks for no stream (a summary) is
answered with a sentence. Any other is answered with a stream of 32 tokens, each in a write of its
own as a real LLM would send them. `PUT /control
{"delay_seconds": 0.5}` makes every answer wait that long before its first byte; `GET /counts` tells
how many of each kind were asked for.
"""

import argparse
import asyncio
import sys
from typing import Any, Final

import orjson

TOKENS: Final = tuple(f"palabra{number:02d} " for number in range(32))
ANSWER: Final = "".join(TOKENS)
STREAM_USAGE: Final = {"prompt_tokens": 120, "completion_tokens": 32, "total_tokens": 152}
DECISION_USAGE: Final = {"prompt_tokens": 240, "completion_tokens": 20, "total_tokens": 260}
STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "bench",
        "choices": choices,
        "usage": usage,
    }
    return _http_chunk(b"data: " + orjson.dumps(body) + b"\n\n")


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": delta, "finish_reason": finish_reason}]


def _stream() -> tuple[bytes, ...]:
    """The writes of one streamed answer, made once."""
    first, *rest = (_event(_delta({"content": token})) for token in TOKENS)
    opening = STREAM_HEAD + _event(_delta({"role": "assistant", "content": ""})) + first
    closing = (
        _event(_delta({}, "stop"))
        + _event([], STREAM_USAGE)
        + _http_chunk(b"data: [DONE]\n\n")
        + b"0\r\n\r\n"
    )
    return (opening, *rest, closing)


STREAM: Final = _stream()


def fill(schema: dict[str, Any]) -> Any:
    """The plainest value that fits a JSON Schema of objects, enums, numbers and texts."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: fill(inner) for name, inner in schema.get("properties", {}).items()}
    if kind in ("number", "integer"):
        return 0.9
    return None if isinstance(kind, list) and "null" in kind else "bench"


def _reply(body: Any, status: bytes = b"200 OK") -> bytes:
    data = orjson.dumps(body)
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(data)) + data


def whole(content: str) -> bytes:
    """An answer that is not streamed."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": "bench",
        "choices": [choice],
        "usage": DECISION_USAGE,
    }
    return _reply(body)


class Desk:
    """What all connections share: how long an answer waits, and the counts."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.counts = {"decisions": 0, "summaries": 0, "streams": 0}


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as far as our clients speak it: bodies have a Content-Length."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            size = end + 4 + _content_length(head)
            if len(self._received) < size:
                return
            body, self._received = self._received[end + 4 : size], self._received[size:]
            self._handle(head.split(b" ", 2), body)

    def _handle(self, request_line: list[bytes], body: bytes) -> None:
        path = request_line[1]
        if path.endswith(b"/chat/completions"):
            self._complete(orjson.loads(body))
        elif path == b"/counts":
            self._transport.write(_reply(self._desk.counts))
        elif path == b"/control":
            self._desk.delay_seconds = float(orjson.loads(body)["delay_seconds"])
            self._transport.write(_reply({}))
        else:
            self._transport.write(_reply({"error": {"message": "no"}}, b"404 Not Found"))

    def _complete(self, request: dict[str, Any]) -> None:
        wanted = request.get("response_format")
        if wanted:
            self._desk.counts["decisions"] += 1
            filled = orjson.dumps(fill(wanted["json_schema"]["schema"])).decode()
            writes: tuple[bytes, ...] = (whole(filled),)
        elif not request.get("stream"):
            self._desk.counts["summaries"] += 1
            writes = (whole("De qué se ha hablado hasta ahora."),)
        else:
            self._desk.counts["streams"] += 1
            writes = STREAM
        if self._desk.delay_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(self._desk.delay_seconds, self._write_all, writes)
        else:
            self._write_all(writes)

    def _write_all(self, writes: tuple[bytes, ...]) -> None:
        for data in writes:
            self._transport.write(data)


def _content_length(head: bytes) -> int:
    start = head.lower().find(b"\r\ncontent-length:")
    if start < 0:
        return 0
    return int(head[start + 17 :].split(b"\r\n", 1)[0])


async def serve(port: int) -> None:
    """Listen on 127.0.0.1 until the process is ended."""
    desk = Desk()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(desk), "127.0.0.1", port, backlog=2048)
    print(f"listening on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    try:
        asyncio.run(serve(parser.parse_args().port))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
