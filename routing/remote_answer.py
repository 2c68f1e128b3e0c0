"""What a webhook agent answers: one JSON document, server-sent events, or plain text in chunks.

* `application/json`: `{"content": "…"}`
* `text/event-stream`: `data: {"delta": "…"}`, any number; `data: {"error": "…"}` fails; the stream
  ends with `data: [DONE]` or with the body
* `text/plain`: the text, in UTF-8, as it comes
"""

import codecs
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from routing.errors import AgentBadAnswer, AgentError, LLMBadAnswer
from routing.llm.storable import StorablePieces, storable
from routing.llm.wire import event_lines, parse_json

MAX_CHARS: Final = 200_000
DONE: Final = b"[DONE]"


async def answer_pieces(media_type: str, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The pieces of text, never empty, fit to be stored. Raises AgentBadAnswer, AgentError."""
    readers = {
        "application/json": _document,
        "text/event-stream": _events,
        "text/plain": _text,
    }
    read = readers.get(media_type.partition(";")[0].strip().lower())
    if read is None:
        raise AgentBadAnswer("The answer is neither JSON, nor an event stream, nor plain text.")
    halves, num_chars = StorablePieces(), 0
    try:
        async with aclosing(read(chunks)) as pieces:
            async for piece in pieces:
                num_chars += len(piece)
                if num_chars > MAX_CHARS:
                    raise AgentBadAnswer(f"The answer is longer than {MAX_CHARS} characters.")
                if text := halves.feed(piece):
                    yield text
    except LLMBadAnswer as exc:
        raise AgentBadAnswer from exc
    if rest := halves.finish():
        yield rest


async def _document(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
    yield _said(bytes(body), "content")


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    async with aclosing(event_lines(chunks)) as batches:
        async for payloads in batches:
            for payload in payloads:
                if payload == DONE:
                    return
                yield _said(payload, "delta")


async def _text(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    async for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _said(raw: bytes, field: str) -> str:
    told: dict[str, Any] = parse_json(raw)
    if told.get("error"):
        raise AgentError(f"The remote agent failed: {storable(str(told['error']))[:300]}")
    text = told.get(field)
    if not isinstance(text, str):
        raise AgentBadAnswer(f"The answer has no text in «{field}».")
    return text
