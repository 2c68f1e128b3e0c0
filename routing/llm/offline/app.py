"""The offline model as an ASGI app: chat completions, embeddings, and the list of models."""

import asyncio
import json
from typing import Any, Final

from routing.llm.inprocess import Message, Receive, Send
from routing.llm.offline import vectors, wire
from routing.llm.offline.answer import answer_to
from routing.llm.offline.conversation import BadRequest, read_request

MAX_BODY_BYTES: Final = 8 << 20


class OfflineModel:
    """Speaks OpenAI Chat Completions without network or key, and always answers the same.

    `piece_delay_seconds` is the pause before each streamed piece, so that people can see it
    stream. An answer is computed on a thread: a long prompt must not hold up the event loop.
    """

    def __init__(self, *, piece_delay_seconds: float = 0.012) -> None:
        self._piece_delay = piece_delay_seconds

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serves one HTTP request; other kinds of scope are refused."""
        if scope["type"] != "http":
            raise ValueError(f"The offline model serves HTTP, not {scope['type']!r}.")
        match scope["method"], scope["path"].rstrip("/").rpartition("/v1")[2]:
            case "POST", "/chat/completions":
                await self._complete(receive, send)
            case "POST", "/embeddings":
                await self._embed(receive, send)
            case "GET", "/models":
                await _send_json(send, 200, wire.models())
            case _, "/chat/completions" | "/embeddings" | "/models":
                await _send_json(send, 405, wire.error("Method not allowed."))
            case _:
                await _send_json(send, 404, wire.error("Unknown address.", code="unknown_url"))

    async def _complete(self, receive: Receive, send: Send) -> None:
        try:
            request = read_request(_decoded(await _body(receive)))
        except BadRequest as bad:
            await _send_json(send, 400, wire.error(bad.message, param=bad.param))
            return
        answer = await asyncio.to_thread(answer_to, request)
        if request.is_stream:
            await self._stream(answer, send, has_usage=request.has_usage)
        else:
            await _send_json(send, 200, wire.completion(answer))

    async def _embed(self, receive: Receive, send: Send) -> None:
        try:
            texts = vectors.read_texts(_decoded(await _body(receive)))
        except BadRequest as bad:
            await _send_json(send, 400, wire.error(bad.message, param=bad.param))
            return
        await _send_json(send, 200, await asyncio.to_thread(vectors.embeddings, texts))

    async def _stream(self, answer: wire.Answer, send: Send, *, has_usage: bool) -> None:
        await send(_start(200, b"text/event-stream"))
        for chunk in wire.chunks(answer, has_usage=has_usage):
            if self._piece_delay:
                await asyncio.sleep(self._piece_delay)
            await send(_part(b"data: " + wire.dump(chunk) + b"\n\n"))
        await send(_part(b"data: [DONE]\n\n", more=False))


async def _body(receive: Receive) -> bytes:
    """The whole request body. Raises BadRequest when it is too large or never comes."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("The client went away.")
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise BadRequest("The body is too large.")
        if not message.get("more_body", False):
            return body


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise BadRequest("We could not parse the JSON body of your request.") from exc


async def _send_json(send: Send, status: int, value: Any) -> None:
    await send(_start(status, b"application/json"))
    await send(_part(wire.dump(value), more=False))


def _start(status: int, content_type: bytes) -> Message:
    headers = [(b"content-type", content_type), (b"cache-control", b"no-cache")]
    return {"type": "http.response.start", "status": status, "headers": headers}


def _part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
