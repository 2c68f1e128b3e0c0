"""Answers of the offline model in the shapes of OpenAI Chat Completions."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from routing.llm.offline.tools import Call

MODEL: Final = "orkesta-offline"
#: The moment this wire format was fixed: the model is deterministic, so its answers carry no clock.
CREATED: Final = 1_764_547_200
CHARS_PER_TOKEN: Final = 3.6
#: Tool arguments come in pieces of so many characters.
ARGUMENTS_PIECE: Final = 12

_PIECE = re.compile(r"\s*\S+\s?|\s+")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says: text, or tool calls; `finish_reason` as OpenAI names it."""

    id: str
    text: str
    calls: tuple[Call, ...]
    finish_reason: str
    prompt_tokens: int

    @property
    def usage(self) -> dict[str, Any]:
        called = "".join(call.name + call.arguments for call in self.calls)
        completion = tokens_in(called or self.text)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


def tokens_in(text: str) -> int:
    """About how many tokens a tokenizer would make of `text`."""
    return -(-len(text) * 10 // round(CHARS_PER_TOKEN * 10))


def pieces_of(text: str) -> list[str]:
    """`text` word by word; joined, they are `text` again."""
    return _PIECE.findall(text)


def completion(answer: Answer) -> dict[str, Any]:
    """The whole answer as one document."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.calls:
        message["tool_calls"] = [_tool_call(call, call.arguments) for call in answer.calls]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": answer.finish_reason,
        "logprobs": None,
    }
    return _envelope(answer, "chat.completion") | {"choices": [choice], "usage": answer.usage}


def chunks(answer: Answer, *, has_usage: bool) -> Iterator[dict[str, Any]]:
    """The answer as stream chunks, from the role to the finish reason and the usage."""
    yield _chunk(answer, {"role": "assistant", "content": None if answer.calls else ""})
    for piece in pieces_of(answer.text):
        yield _chunk(answer, {"content": piece})
    for index, call in enumerate(answer.calls):
        yield _chunk(answer, {"tool_calls": [{"index": index, **_tool_call(call, "")}]})
        for start in range(0, len(call.arguments), ARGUMENTS_PIECE):
            part = {"arguments": call.arguments[start : start + ARGUMENTS_PIECE]}
            yield _chunk(answer, {"tool_calls": [{"index": index, "function": part}]})
    yield _chunk(answer, {}, finish_reason=answer.finish_reason)
    if has_usage:
        yield _envelope(answer, "chat.completion.chunk") | {"choices": [], "usage": answer.usage}


def error(message: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    body = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return {"error": body}


def models() -> dict[str, Any]:
    model = {"id": MODEL, "object": "model", "created": CREATED, "owned_by": "orkesta"}
    return {"object": "list", "data": [model]}


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _chunk(
    answer: Answer, delta: dict[str, Any], *, finish_reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return _envelope(answer, "chat.completion.chunk") | {"choices": [choice], "usage": None}


def _envelope(answer: Answer, kind: str) -> dict[str, Any]:
    return {"id": answer.id, "object": kind, "created": CREATED, "model": MODEL}


def _tool_call(call: Call, arguments: str) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}
