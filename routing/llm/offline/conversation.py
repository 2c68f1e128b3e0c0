"""A chat request as the offline model reads it, or a reason why it is none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from routing.llm.offline.briefing import Briefing, read_briefing
from routing.llm.offline.catalogue import Catalogue, Mention, catalogue_of
from routing.llm.offline.dialogue import basket_after, is_no, is_order
from routing.llm.offline.knowledge import learned, proposed, still_proposed
from routing.llm.offline.language import Language, language_of
from routing.llm.offline.turns import Asked, Outcome, Role, Turn, outcomes_in, since_user

#: What a message asks for stands in its head, and what a talk is about in its last turns.
MAX_TEXT_CHARS: Final = 2000
MAX_TURNS: Final = 20
#: A prompt or a tool's result is read further.
MAX_DOCUMENT_CHARS: Final = 200_000

ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}


class BadRequest(Exception):
    """The request is not a chat completion; `param` says where."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages of a request and what can be read out of them."""

    turns: tuple[Turn, ...]

    @property
    def briefing(self) -> Briefing:
        return read_briefing("\n".join(turn.text for turn in self.turns if turn.role == "system"))

    @property
    def catalogue(self) -> Catalogue:
        """What the prompt lists, and what tools and earlier answers have brought up since."""
        products = self.briefing.products
        known = {product.sku for product in products}
        fresh = {product.sku: product for product in learned(self.turns)}
        listed = tuple(fresh.pop(product.sku, product) for product in products)
        return catalogue_of((*listed, *(p for sku, p in fresh.items() if sku not in known)))

    @property
    def user_texts(self) -> tuple[str, ...]:
        """What the user said last, up to MAX_TURNS times."""
        return tuple(turn.text for turn in self.turns if turn.role == "user")[-MAX_TURNS:]

    @property
    def last_text(self) -> str:
        """What the user said last; empty when the user said nothing."""
        return self.user_texts[-1] if self.user_texts else ""

    @property
    def language(self) -> Language:
        """That of the last message; of a short one, that of the messages before."""
        language = self.briefing.language
        for text in self.user_texts:
            language = language_of(text, default=language)
        return language

    @property
    def basket(self) -> tuple[Mention, ...]:
        return basket_after(self.user_texts, self.catalogue)

    @property
    def basket_before(self) -> tuple[Mention, ...]:
        return basket_after(self.user_texts[:-1], self.catalogue)

    @property
    def is_asked(self) -> bool:
        """False when what was said last before the user was no question."""
        said = [turn.text for turn in self.turns if turn.role == "assistant" and turn.text]
        return not said or "?" in said[-1]

    @property
    def proposal(self) -> tuple[Mention, ...]:
        """The offer that the user answers to: the lines of what was said last before, or, for who
        says clearly that it is an order, of what was said a little earlier.
        """
        for position in range(len(self.turns) - 1, -1, -1):
            if self.turns[position].role == "user":
                before = self.turns[:position]
                found = proposed(before)
                return found or (still_proposed(before, is_no) if is_order(self.last_text) else ())
        return ()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What tools answered since the user last spoke."""
        return outcomes_in(since_user(self.turns))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A valid request. `forced_tool` is a tool that must be called; "" for any of them."""

    conversation: Conversation
    tools: tuple[Tool, ...]
    forced_tool: str | None
    schema: Mapping[str, Any] | None
    is_stream: bool
    has_usage: bool
    max_pieces: int | None
    stop: tuple[str, ...]


def read_request(body: Any) -> ChatRequest:
    """The request in a decoded JSON body. Raises BadRequest."""
    if not isinstance(body, Mapping):
        raise BadRequest("The body must be a JSON object.")
    if not isinstance(body.get("model"), str):
        raise BadRequest("You must provide a model parameter.", param="model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("[] is too short - 'messages'", param="messages")
    tools = _tools(body)
    options = body.get("stream_options") or {}
    return ChatRequest(
        conversation=Conversation(tuple(_turn(m, i) for i, m in enumerate(messages))),
        tools=tools,
        forced_tool=_forced_tool(body.get("tool_choice"), tools),
        schema=_schema(body.get("response_format")),
        is_stream=body.get("stream") is True,
        has_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
        max_pieces=_max_pieces(body),
        stop=_stop(body.get("stop")),
    )


def _turn(message: Any, index: int) -> Turn:
    param = f"messages[{index}]"
    role = ROLES.get(str(message.get("role"))) if isinstance(message, Mapping) else None
    if role is None:
        raise BadRequest("Invalid message: it needs one of the known roles.", param=param)
    content = message.get("content")
    if content is None and role == "assistant":
        content = ""
    if isinstance(content, list):
        content = " ".join(_part_text(part, param) for part in content)
    if not isinstance(content, str):
        raise BadRequest("Invalid type for content.", param=f"{param}.content")
    is_talk = role in ("user", "assistant")
    return Turn(
        role,
        content[: MAX_TEXT_CHARS if is_talk else MAX_DOCUMENT_CHARS],
        calls=_calls(message.get("tool_calls")) if role == "assistant" else (),
        call_id=str(message.get("tool_call_id") or "") if role == "tool" else "",
    )


def _calls(calls: Any) -> tuple[Asked, ...]:
    """The tool calls of a message; what is none is passed over."""
    found = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            arguments = str(function.get("arguments") or "")[:MAX_DOCUMENT_CHARS]
            found.append(Asked(str(call.get("id")), str(function.get("name")), arguments))
    return tuple(found)


def _part_text(part: Any, param: str) -> str:
    if not isinstance(part, Mapping):
        raise BadRequest("Invalid type for a content part.", param=f"{param}.content")
    text = part.get("text", "")
    return text if isinstance(text, str) else ""


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise BadRequest("Invalid type for tools.", param="tools")
    found = []
    for index, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadRequest("A tool needs a function with a name.", param=f"tools[{index}]")
        parameters = function.get("parameters") or {}
        _check_schema(parameters, f"tools[{index}].function.parameters")
        description = str(function.get("description") or "")
        found.append(Tool(function["name"], description, parameters))
    return () if body.get("tool_choice") == "none" else tuple(found)


def _forced_tool(choice: Any, tools: tuple[Tool, ...]) -> str | None:
    if choice == "required":
        return ""
    if not isinstance(choice, Mapping):
        return None
    function = choice.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    if name not in {tool.name for tool in tools}:
        raise BadRequest("tool_choice names a tool that is not offered.", param="tool_choice")
    return str(name)


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    if response_format is None or not isinstance(response_format, Mapping):
        return None
    if response_format.get("type") == "json_object":
        return {"type": "object"}
    if response_format.get("type") != "json_schema":
        return None
    wrapper = response_format.get("json_schema")
    schema = wrapper.get("schema") if isinstance(wrapper, Mapping) else None
    if not isinstance(schema, Mapping):
        raise BadRequest(
            "Missing required parameter: 'response_format.json_schema.schema'.",
            param="response_format.json_schema.schema",
        )
    _check_schema(schema, "response_format.json_schema.schema")
    return schema


def _check_schema(schema: Any, param: str) -> None:
    try:
        problem = _problem_of(json.dumps(schema, sort_keys=True))
    except RecursionError:
        problem = "it is nested too deeply"
    if problem or not isinstance(schema, Mapping):
        raise BadRequest(f"Invalid schema: {problem or 'it must be an object'}.", param=param)


@lru_cache(maxsize=256)
def _problem_of(schema: str) -> str:
    """What is wrong with a JSON Schema; empty when nothing is. Looked at once per schema."""
    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as exc:
        return exc.message[:200]
    return ""


def _max_pieces(body: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BadRequest(f"{name} must be a positive integer.", param=name)
        return value
    return None


def _stop(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str) and item)
    return ()
