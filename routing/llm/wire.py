"""OpenAI Chat Completions on the wire: request bodies, event lines, answers folded from chunks."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

import orjson

from routing.errors import LLMBadAnswer, LLMError, LLMRejected
from routing.llm.storable import StorablePieces, storable
from routing.llm.types import LLMRequest, LLMTarget, ToolCall, Usage

MAX_LINE_BYTES: Final = 1 << 20
MAX_BODY_BYTES: Final = 8 << 20
MAX_ANSWER_CHARS: Final = 1_000_000
MAX_TOOL_CALLS: Final = 128
CHARS_PER_TOKEN: Final = 3.6

#: These refuse `max_tokens` for their reasoning models; most others know only `max_tokens`.
HOSTS_WITH_MAX_COMPLETION_TOKENS: Final = ("api.openai.com", ".openai.azure.com")


def request_body(target: LLMTarget, request: LLMRequest, *, stream: bool) -> bytes:
    """The JSON body of one chat completion. Raises LLMRejected when it cannot be encoded."""
    body: dict[str, Any] = {"model": target.model, "messages": request.messages}
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    body |= _limits(target, request)
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    if request.response_schema is not None:
        schema = {
            "name": request.schema_name,
            "schema": request.response_schema,
            "strict": True,
        }
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as exc:
        raise LLMRejected("The request to the language model cannot be written as JSON.") from exc


def _limits(target: LLMTarget, request: LLMRequest) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if request.temperature is not None:
        limits["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        modern = any(host in target.base_url for host in HOSTS_WITH_MAX_COMPLETION_TOKENS)
        limits["max_completion_tokens" if modern else "max_tokens"] = request.max_output_tokens
    if request.stop:
        limits["stop"] = list(request.stop)
    return limits


async def event_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[bytes], None]:
    """The payloads of the `data:` lines in each network chunk, possibly none.

    A chunk without a payload (a comment that keeps the connection open) still yields, so the
    caller can look at the clock. OpenAI-compatible servers put one JSON document on one line;
    other fields of server-sent events carry nothing here. Raises LLMBadAnswer on a line of more
    than MAX_LINE_BYTES.
    """
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        lines: list[bytearray] = []
        if b"\n" in chunk:
            *lines, rest = rest.split(b"\n")
        if max(len(rest), *map(len, lines), 0) > MAX_LINE_BYTES:
            raise LLMBadAnswer("The language model sent a line that never ends.")
        yield [payload_of(line) for line in lines if line.startswith(b"data:")]
    if rest.startswith(b"data:"):
        yield [payload_of(rest)]


def payload_of(line: bytearray) -> bytes:
    return bytes(line[5:].strip())


def parse_json(data: bytes) -> dict[str, Any]:
    """One JSON object of the provider. Raises LLMBadAnswer.

    orjson refuses lone surrogates and broken UTF-8, which real servers send: those few documents
    take the slow road, where they can be repaired.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _parse_leniently(data)
    if not isinstance(value, dict):
        raise LLMBadAnswer
    return value


def _parse_leniently(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as exc:
        raise LLMBadAnswer("The language model sent something that is not JSON.") from exc


class ChunkFold:
    """Folds the chunks of a streamed answer into text, tool calls, usage and a finish reason."""

    def __init__(self) -> None:
        self.response_id = ""
        self.model = ""
        self.finish_reason = ""
        self.is_done = False
        self.usage: Usage | None = None
        self._texts: list[str] = []
        self._num_chars = 0
        self._clean = StorablePieces()
        self._calls: dict[int, dict[str, str]] = {}

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(
                id=storable(call["id"]) or f"call_{index}",
                name=storable(call["name"]),
                arguments=storable(call["arguments"]),
            )
            for index, call in sorted(self._calls.items())
        )

    def add(self, data: bytes) -> tuple[str, bool]:
        """Take in one `data:` payload; the new text, and whether it brought the answer forward.

        Raises LLMError for an error inside the stream, LLMBadAnswer for what is not a chunk.
        """
        if data == b"[DONE]":
            self.is_done = True
            return "", False
        if self.is_done or not data:
            return "", False
        return self.add_chunk(parse_json(data))

    def add_chunk(self, chunk: dict[str, Any]) -> tuple[str, bool]:
        """Take in one chunk; returns and raises as `add` does."""
        if chunk.get("error"):
            raise stream_error(chunk["error"])
        self.response_id = self.response_id or text_of(chunk.get("id"))
        self.model = self.model or text_of(chunk.get("model"))
        if chunk.get("usage") is not None:
            self.usage = usage_of(chunk["usage"])
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise LLMBadAnswer
        if not choices:
            return "", False
        choice = choices[0]
        if not isinstance(choice, dict):
            raise LLMBadAnswer
        if choice.get("finish_reason"):
            self.finish_reason = text_of(choice["finish_reason"])
        return self._add_delta(choice.get("delta") or {})

    def _add_delta(self, delta: Any) -> tuple[str, bool]:
        if not isinstance(delta, dict):
            raise LLMBadAnswer
        # A refusal is what the model says instead of content; people should read it all the same.
        piece = delta.get("content") or delta.get("refusal") or ""
        if not isinstance(piece, str):
            raise LLMBadAnswer
        calls = delta.get("tool_calls") or []
        if not isinstance(calls, list):
            raise LLMBadAnswer
        for call in calls:
            self._add_call(call)
        self._count(len(piece))
        text = self._clean.feed(piece) if piece else ""
        if text:
            self._texts.append(text)
        return text, bool(delta.keys() - {"role"})

    def _add_call(self, call: Any) -> None:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise LLMBadAnswer
        index = call.get("index", 0)
        if not isinstance(index, int):
            raise LLMBadAnswer
        if index not in self._calls and len(self._calls) >= MAX_TOOL_CALLS:
            raise LLMBadAnswer("The language model asked for too many tools.")
        known = self._calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        known["id"] = known["id"] or raw_text_of(call.get("id"))
        known["name"] = known["name"] or raw_text_of(function.get("name"))
        arguments = raw_text_of(function.get("arguments"))
        known["arguments"] += arguments
        self._count(len(arguments))

    def _count(self, num_chars: int) -> None:
        self._num_chars += num_chars
        if self._num_chars > MAX_ANSWER_CHARS:
            raise LLMBadAnswer("The language model's answer never ends.")

    def finish(self) -> str:
        """Close the answer; the last text, usually none. Raises LLMBadAnswer if it was cut off."""
        if not self.finish_reason and not self.is_done:
            raise LLMBadAnswer("The language model's answer was cut off.")
        self.finish_reason = self.finish_reason or ("tool_calls" if self._calls else "stop")
        rest = self._clean.finish()
        if rest:
            self._texts.append(rest)
        return rest


def fold_whole(body: bytes) -> ChunkFold:
    """An answer that came in one JSON document. Raises like `ChunkFold.add`."""
    answer = parse_json(body)
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        message = choices[0].get("message")
        if not isinstance(message, dict):
            raise LLMBadAnswer
        calls = message.get("tool_calls") or []
        if not isinstance(calls, list):
            raise LLMBadAnswer
        numbered = [
            {**call, "index": index} if isinstance(call, dict) else call
            for index, call in enumerate(calls)
        ]
        answer["choices"] = [{**choices[0], "delta": {**message, "tool_calls": numbered}}]
    fold = ChunkFold()
    fold.add_chunk(answer)
    fold.finish()
    return fold


def stream_error(error: Any) -> LLMError:
    """The error object that a provider puts into an answer that began as a success.

    Its text is not shown: it is the provider's, and nobody promises what it holds.
    """
    code = error.get("code") or error.get("type") if isinstance(error, Mapping) else None
    return LLMError(
        "The language model stopped with an error.",
        provider_code=raw_text_of(code)[:64] if isinstance(code, str) else "",
    )


def usage_of(value: Any) -> Usage | None:
    """The provider's token counts; None when they are missing or make no sense."""
    if not isinstance(value, Mapping):
        return None
    counts = [value.get("prompt_tokens"), value.get("completion_tokens")]
    details = value.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    if not all(_is_count(count) for count in counts):
        return None
    return Usage(counts[0], counts[1], cached if _is_count(cached) else 0)  # type: ignore[arg-type]


def input_tokens_of(value: Any) -> int | None:
    """The tokens that a provider counted in texts it only read; None as for `usage_of`."""
    count = value.get("prompt_tokens") if isinstance(value, Mapping) else None
    return count if _is_count(count) else None


def estimated_usage(request: LLMRequest, fold: ChunkFold) -> Usage:
    """Tokens guessed from lengths, for providers that do not count."""
    num_input = sum(len(str(message.get("content") or "")) for message in request.messages)
    num_output = len(fold.text) + sum(len(call.arguments) for call in fold.tool_calls)
    return Usage(tokens_in(num_input), tokens_in(num_output), estimated=True)


def tokens_in(num_chars: int) -> int:
    return -(-num_chars * 10 // round(CHARS_PER_TOKEN * 10))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def raw_text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def text_of(value: Any) -> str:
    return storable(raw_text_of(value))
