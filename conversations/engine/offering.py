"""What a model is offered to call, and what it asked for, made fit to be recorded."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from conversations.engine.calls import CallKind
from conversations.states import Audience
from routing.errors import ToolRetry
from routing.llm.types import ToolCall, ToolSpec
from routing.snapshot import AgentSnapshot, TenantSnapshot
from routing.tools import ToolSnapshot, read_arguments
from routing.tools.storing import storable_data

#: Calls of one message that are made; a model that asks for more is told so.
MAX_CALLS: Final = 16
MAX_QUESTION_CHARS: Final = 2000
MAX_RAW_CHARS: Final = 2000
_UNSPEAKABLE: Final = re.compile(r"[^a-zA-Z0-9_-]")

_ASK_HUMAN: Final = ToolSpec(
    "ask_human",
    "Ask a person and wait for the answer, which may take hours. Only for what you cannot find out"
    " or decide by yourself. Audience customer asks the customer, staff asks a colleague.",
    {
        "type": "object",
        "required": ["question"],
        "additionalProperties": False,
        "properties": {
            "question": {"type": "string", "minLength": 1, "maxLength": MAX_QUESTION_CHARS},
            "audience": {"type": "string", "enum": list(Audience), "default": Audience.STAFF},
        },
    },
)


def offered(
    agent: AgentSnapshot, snapshot: TenantSnapshot, had: Sequence[str]
) -> tuple[ToolSpec, ...]:
    """The agent's tools, and those of the engine's own that it may use. `had` are the agents that
    cannot be handed to, because the task has been theirs.
    """
    own = []
    if agent.may_ask_human:
        own.append(_ASK_HUMAN)
    others = _others(agent, snapshot, had)
    if others:
        own.append(_hand_off(others))
    names = {spec.name for spec in own}
    return (*(_spec(tool) for tool in agent.tools if tool.name not in names), *own)


def _spec(tool: ToolSnapshot) -> ToolSpec:
    return ToolSpec(tool.name, tool.description, dict(tool.parameters))


def _others(
    agent: AgentSnapshot, snapshot: TenantSnapshot, had: Sequence[str]
) -> list[AgentSnapshot]:
    if not agent.may_hand_off:
        return []
    gone = {*had, agent.slug}
    return [other for slug, other in snapshot.agents.items() if slug not in gone]


def _hand_off(others: Sequence[AgentSnapshot]) -> ToolSpec:
    known = "; ".join(f"{one.slug}: {' '.join(one.description.split())[:300]}" for one in others)
    return ToolSpec(
        "hand_off",
        f"Let another agent answer the customer instead of you. Agents: {known}",
        {
            "type": "object",
            "required": ["agent", "reason"],
            "additionalProperties": False,
            "properties": {
                "agent": {"type": "string", "enum": [one.slug for one in others]},
                "reason": {"type": "string", "maxLength": 500},
            },
        },
    )


class Reading:
    """Reads the calls of an agent's message. What cannot be made is recorded with its `problem`."""

    def __init__(
        self, agent: AgentSnapshot, snapshot: TenantSnapshot, had: Sequence[str], step_number: int
    ) -> None:
        self._tools = {tool.name: tool for tool in agent.tools}
        self._others = {other.slug for other in _others(agent, snapshot, had)}
        self._may_ask = agent.may_ask_human
        self._number = step_number

    def read(self, calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
        """At most MAX_CALLS, each with an id of its own, for a model step's `tool_calls`."""
        read = [self._read(call) for call in calls[:MAX_CALLS]]
        taken: set[str] = set()
        for index, call in enumerate(read):
            if not call["id"] or call["id"] in taken:
                call["id"] = f"call_{self._number}_{index}"
            taken.add(call["id"])
        if len(calls) > MAX_CALLS:
            problem = f"Only {MAX_CALLS} calls at a time; of {len(calls)}, this and the rest were"
            read[-1] |= {"problem": f"{problem} not made."}
        return read

    def _read(self, call: ToolCall) -> dict[str, Any]:
        stored: dict[str, Any] = {
            "id": _UNSPEAKABLE.sub("_", call.id)[:64],
            "name": _UNSPEAKABLE.sub("_", call.name)[:64] or "unnamed",
            "arguments": {},
        }
        try:
            return stored | self._checked(call)
        except ToolRetry as exc:
            raw = {"raw_arguments": call.arguments[:MAX_RAW_CHARS]} if call.arguments else {}
            return stored | raw | {"problem": exc.message}

    def _checked(self, call: ToolCall) -> dict[str, Any]:
        check = self._own.get(call.name)
        if check is not None:
            arguments = check(_object(call.arguments))
            return {"kind": CallKind(call.name), "arguments": arguments, "risk": "read"}
        tool = self._tools.get(call.name)
        if tool is None:
            raise ToolRetry(f"There is no tool «{call.name[:64]}». There are: {self._known}.")
        return {
            "arguments": read_arguments(tool, call.arguments),
            "risk": tool.risk.value,
            "recovery": tool.recovery.value,
            "schema_hash": tool.schema_hash,
        }

    @property
    def _own(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        own: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
        if self._may_ask:
            own[CallKind.ASK_HUMAN] = _question
        if self._others:
            own[CallKind.HAND_OFF] = self._target
        return own

    @property
    def _known(self) -> str:
        return ", ".join([*self._tools, *self._own]) or "none"

    def _target(self, arguments: dict[str, Any]) -> dict[str, Any]:
        slug = arguments.get("agent")
        if slug not in self._others:
            raise ToolRetry(f"You can hand over to: {', '.join(sorted(self._others))}.")
        return {"agent": slug, "reason": str(arguments.get("reason", ""))[:500]}


def _question(arguments: dict[str, Any]) -> dict[str, Any]:
    question = str(arguments.get("question") or "").strip()
    if not question:
        raise ToolRetry("What is the question?")
    audience = arguments.get("audience")
    is_known = audience in set(Audience)
    return {
        "question": question[:MAX_QUESTION_CHARS],
        "audience": str(audience) if is_known else Audience.STAFF.value,
    }


def _object(raw: str) -> dict[str, Any]:
    try:
        value = storable_data(orjson.loads(raw.strip() or "{}"))
    except (orjson.JSONDecodeError, UnicodeError) as exc:
        raise ToolRetry("The arguments are not valid JSON.") from exc
    if not isinstance(value, dict):
        raise ToolRetry("The arguments must be a JSON object.")
    return value
