"""What the supervisor is asked, what it decides, and how an LLM's answer becomes a decision."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from routing.llm.storable import storable
from routing.llm.types import Completion
from routing.rules import SessionState
from routing.snapshot import TenantSnapshot

MAX_RESPONSE_CHARS: Final = 4000
#: A decision of any length that fits the schema is shorter, however it is spaced.
MAX_ANSWER_CHARS: Final = 50_000

Source = Literal["asked_for", "rule", "llm", "sticky", "fallback"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers, and why. With `response` the supervisor has answered by itself."""

    source: Source
    reason: str
    agent_slug: str = ""
    intent: str = ""
    confidence: float = 1.0
    response: str = ""
    trace: Mapping[str, Any] = field(default_factory=dict)
    completions: tuple[Completion, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be decided on: the message, what was said before it, and what rules may look at.
    `asked_at` is when the message came in, with its time zone, whenever it is decided on.
    """

    text: str
    history: Sequence[Mapping[str, str]] = ()
    asked_for: str = ""
    active_agent: str = ""
    asked_at: datetime | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    session: SessionState = field(default_factory=SessionState)


def decision_schema(snapshot: TenantSnapshot) -> dict[str, Any]:
    """JSON Schema of the decision (mission A2), with this tenant's agents as the only names."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["action", "agent_name", "intent", "confidence", "response"],
        "properties": {
            "action": {"type": "string", "enum": ["delegate", "respond"]},
            "agent_name": {"type": ["string", "null"], "enum": [*snapshot.agents, None]},
            "intent": {"type": "string", "maxLength": 63},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "response": {"type": ["string", "null"], "maxLength": MAX_RESPONSE_CHARS},
        },
    }


def read_answer(text: str, schema: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The answer that fits the schema, its texts storable; or None and what is wrong with it."""
    if len(text) > MAX_ANSWER_CHARS:
        return None, f"it is {len(text)} characters long"
    try:
        answer = json.loads(text, parse_constant=_refuse_constant)
        # The schema is ours: `jsonschema.validate` would check it anew each time, for 5 ms of CPU.
        misfit = best_match(Draft202012Validator(schema).iter_errors(answer))
    except json.JSONDecodeError as exc:
        return None, f"it is not JSON ({exc.msg} at {exc.pos})"
    except ValueError as exc:  # NaN, Infinity, or a number of thousands of digits
        return None, f"it holds a number that cannot be used ({exc})"[:500]
    except RecursionError:
        return None, "it is nested too deeply"
    if misfit is not None:
        return None, storable(f"{misfit.json_path}: {misfit.message}"[:500])
    # JSON spells NUL and half characters with plain letters: they appear only now.
    return {k: storable(v) if isinstance(v, str) else v for k, v in answer.items()}, ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
