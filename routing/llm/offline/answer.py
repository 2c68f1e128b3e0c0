"""From a request to the answer of the offline model."""

import hashlib
import json
from typing import Any

from routing.llm.offline.conversation import ChatRequest, Conversation
from routing.llm.offline.notes import is_for_notes, notes
from routing.llm.offline.planning import next_calls
from routing.llm.offline.reply import reply
from routing.llm.offline.schema import Schema, fill
from routing.llm.offline.supervision import decision_for, is_decision
from routing.llm.offline.tools import Call
from routing.llm.offline.wire import Answer, pieces_of, tokens_in


def answer_to(request: ChatRequest) -> Answer:
    """The answer to `request`: tool calls, JSON for its schema, or words. Always the same one."""
    talk = request.conversation
    calls = next_calls(talk, request.tools, forced=request.forced_tool)
    if calls:
        return _answer(talk, text="", calls=calls, finish_reason="tool_calls")
    text = _words(talk) if request.schema is None else _structured(request.schema, talk)
    text, is_cut = _limited(text, request)
    return _answer(talk, text=text, calls=(), finish_reason="length" if is_cut else "stop")


def _words(talk: Conversation) -> str:
    return notes(talk) if is_for_notes(talk) else reply(talk)


def _structured(schema: Schema, talk: Conversation) -> str:
    value: Any = decision_for(schema, talk) if is_decision(schema) else fill(schema, talk)
    return json.dumps(value, ensure_ascii=False)


def _limited(text: str, request: ChatRequest) -> tuple[str, bool]:
    """`text` up to the first stop sequence and the most pieces; whether it lost its end to them."""
    stops = [text.index(stop) for stop in request.stop if stop in text]
    if stops:
        text = text[: min(stops)]
    if request.max_pieces is None:
        return text, False
    pieces = pieces_of(text)
    return "".join(pieces[: request.max_pieces]), len(pieces) > request.max_pieces


def _answer(
    talk: Conversation, *, text: str, calls: tuple[Call, ...], finish_reason: str
) -> Answer:
    said = "\n".join(f"{turn.role}: {turn.text}" for turn in talk.turns)
    digest = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()
    return Answer(
        id=f"chatcmpl-{digest[:24]}",
        text=text,
        calls=calls,
        finish_reason=finish_reason,
        prompt_tokens=tokens_in(said),
    )
