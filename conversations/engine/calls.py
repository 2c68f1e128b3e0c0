"""Calls that a model asked for and that have no result yet, and how it is told of results. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

#: What a model is told of a failure.
MAX_ERROR_CHARS: Final = 500

Exchange = tuple[Mapping[str, Any], ...]


class CallKind(StrEnum):
    """A tool of the tenant's, or one of the two that the engine offers by itself."""

    TOOL = "tool"
    ASK_HUMAN = "ask_human"
    HAND_OFF = "hand_off"


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call without a result. `problem` says why it cannot be made at all.

    With `number`, that step was begun by attempt `begun_by` and nobody knows what came of it.
    `may_repeat` and `is_approved` are what a person has allowed since.
    """

    id: str
    name: str
    arguments: Mapping[str, Any]
    kind: CallKind = CallKind.TOOL
    risk: str = "read"
    recovery: str = "never"
    schema_hash: str = ""
    problem: str = ""
    number: int = 0
    key: str = ""
    begun_by: int = 0
    is_approved: bool = False
    may_repeat: bool = False

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "PendingCall":
        """From a model step's output."""
        arguments = stored.get("arguments")
        return cls(
            id=str(stored["id"]),
            name=str(stored["name"]),
            arguments=arguments if isinstance(arguments, Mapping) else {},
            kind=CallKind(stored.get("kind", CallKind.TOOL)),
            risk=str(stored.get("risk", "read")),
            recovery=str(stored.get("recovery", "never")),
            schema_hash=str(stored.get("schema_hash", "")),
            problem=str(stored.get("problem", "")),
        )

    @property
    def is_free(self) -> bool:
        """Whether making it changes nothing, so that it may be made beside others, and again."""
        return bool(self.problem) or (self.kind is CallKind.TOOL and self.risk == "read")


def asked(output: Mapping[str, Any]) -> dict[str, Any]:
    """A model's message that asks for calls, as the model is told of it later. Arguments that
    could not be read are left out: providers refuse to hear them again.
    """
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()},
        }
        for call in map(PendingCall.of, output["tool_calls"])
    ]
    return {"role": "assistant", "content": output.get("text") or None, "tool_calls": calls}


def answered(call_id: str, text: str) -> dict[str, Any]:
    """The result of a call, as the model is told of it."""
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def error_text(detail: str) -> str:
    """A failure, compactly."""
    return f"Error: {detail}"[:MAX_ERROR_CHARS]
