"""Who answers a message: rules first, the LLM second, the fallback agent last.

Every decision carries its reason and a trace, which the engine stores on the `route` step.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from routing.errors import LLMError, NoAgent
from routing.gateway import Gateway
from routing.llm.types import Completion, LLMRequest, LLMTarget
from routing.rules import RoutableMessage, Trial, first_match
from routing.snapshot import TenantSnapshot

#: Below this the LLM's choice is not followed.
CONFIDENCE_TO_FOLLOW: Final = 0.5
#: Below this the agent that has the conversation keeps it.
CONFIDENCE_TO_HAND_OVER: Final = 0.7
MAX_RESPONSE_CHARS: Final = 4000
DECISION_TOKENS: Final = 400

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
    """What is to be decided on: the message and what was said before it."""

    text: str
    history: Sequence[Mapping[str, str]] = ()
    asked_for: str = ""
    active_agent: str = ""


async def decide(snapshot: TenantSnapshot, question: Question, gateway: Gateway) -> Decision:
    """The decision for one message. Raises NoAgent when the tenant has nobody who could answer."""
    if question.asked_for in snapshot.agents:
        return Decision("asked_for", "The request named the agent.", question.asked_for)
    match = first_match(snapshot.rules, RoutableMessage.of(question.text))
    if match is not None:
        return _by_rule(match)
    if len(snapshot.agents) == 1:
        return Decision("fallback", "It is the only agent.", next(iter(snapshot.agents)))
    target = snapshot.supervisor_target
    if target is None:
        return _without_llm(snapshot, question, "No LLM endpoint is configured.")
    return await _by_llm(snapshot, question, target, gateway)


def _by_rule(match: Trial) -> Decision:
    return Decision(
        source="rule",
        reason=f"Rule «{match.rule.name}»: {match.reason}.",
        agent_slug=match.rule.agent_slug,
        intent=match.rule.intent,
        trace={"rule_id": match.rule.id},
    )


async def _by_llm(
    snapshot: TenantSnapshot, question: Question, target: LLMTarget, gateway: Gateway
) -> Decision:
    """Ask for a structured decision; one that does not fit its schema is asked for once more, with
    the error, and then given up for the fallback.
    """
    schema = decision_schema(snapshot)
    messages = _messages(snapshot, question)
    completions: list[Completion] = []
    problem = ""
    for _ in range(2):
        try:
            completion = await gateway.complete(target, _request(messages, schema))
        except LLMError as exc:
            problem = exc.message
            break
        completions.append(completion)
        answer, problem = _read(completion.text, schema)
        if answer is not None:
            return _weigh(snapshot, question, answer, tuple(completions))
        messages = [*messages, {"role": "assistant", "content": completion.text}, _repair(problem)]
    return _without_llm(snapshot, question, f"No usable decision: {problem}", tuple(completions))


def _request(messages: list[dict[str, Any]], schema: dict[str, Any]) -> LLMRequest:
    return LLMRequest(
        messages=messages,
        response_schema=schema,
        schema_name="decision",
        temperature=0.0,
        max_output_tokens=DECISION_TOKENS,
    )


def _weigh(
    snapshot: TenantSnapshot,
    question: Question,
    answer: Mapping[str, Any],
    completions: tuple[Completion, ...],
) -> Decision:
    """Turn the LLM's answer into a decision: follow it, keep the active agent, or fall back."""
    confidence, slug = float(answer["confidence"]), answer["agent_name"] or ""
    common: dict[str, Any] = {
        "intent": answer["intent"],
        "confidence": confidence,
        "trace": {"answer": dict(answer)},
        "completions": completions,
    }
    response = (answer["response"] or "").strip()
    if answer["action"] == "respond" and response and confidence >= CONFIDENCE_TO_FOLLOW:
        return Decision("llm", "The supervisor answers by itself.", response=response, **common)
    active = question.active_agent if question.active_agent in snapshot.agents else ""
    if active and slug != active and confidence < CONFIDENCE_TO_HAND_OVER:
        reason = (
            f"«{active}» keeps the conversation: {confidence:.2f} is not sure enough to hand over."
        )
        return Decision("sticky", reason, active, **common)
    if slug in snapshot.agents and confidence >= CONFIDENCE_TO_FOLLOW:
        reason = (
            f"The LLM chose it for intent «{answer['intent']}» with confidence {confidence:.2f}."
        )
        return Decision("llm", reason, slug, **common)
    reason = f"The LLM was not sure enough ({confidence:.2f})."
    return Decision("fallback", reason, _fallback(snapshot), **common)


def _without_llm(
    snapshot: TenantSnapshot,
    question: Question,
    why: str,
    completions: tuple[Completion, ...] = (),
) -> Decision:
    rest: dict[str, Any] = {
        "confidence": 0.0,
        "trace": {"problem": why},
        "completions": completions,
    }
    if question.active_agent in snapshot.agents:
        reason = f"{why} The active agent keeps the conversation."
        return Decision("sticky", reason, question.active_agent, **rest)
    return Decision("fallback", why, _fallback(snapshot), **rest)


def _fallback(snapshot: TenantSnapshot) -> str:
    if snapshot.fallback_slug:
        return snapshot.fallback_slug
    if snapshot.agents:
        return next(iter(snapshot.agents))
    raise NoAgent


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


def _read(text: str, schema: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The answer that fits the schema, or None and what is wrong with it."""
    try:
        answer = json.loads(text)
        # The schema is ours: `jsonschema.validate` would check it anew each time, for 5 ms of CPU.
        misfit = best_match(Draft202012Validator(schema).iter_errors(answer))
    except json.JSONDecodeError as exc:
        return None, f"it is not JSON ({exc.msg} at {exc.pos})"
    except RecursionError:
        return None, "it is nested too deeply"
    if misfit is not None:
        return None, f"{misfit.json_path}: {misfit.message}"[:500]
    return answer, ""


def _repair(problem: str) -> dict[str, str]:
    text = f"That answer cannot be used: {problem}. Answer again, with JSON that fits the schema."
    return {"role": "user", "content": text}


def _messages(snapshot: TenantSnapshot, question: Question) -> list[dict[str, Any]]:
    lines = [
        f"You are the supervisor of {snapshot.name}."
        " Decide who answers the customer's last message.",
        "Agents:",
    ]
    for agent in snapshot.agents.values():
        lines.append(f"- {agent.slug}: {' '.join(agent.description.split())}")
        if agent.intents:
            lines.append(f"  intents: {', '.join(agent.intents)}")
    if question.active_agent:
        lines.append(
            f"Agent {question.active_agent} has the conversation; it keeps it unless another one"
            " is clearly better."
        )
    lines += [
        'Answer with JSON. action "delegate" names the agent in agent_name; action "respond" gives'
        " a short response of your own, only when no agent fits.",
        "confidence says how sure you are, from 0 to 1; below 0.5 means you do not know.",
    ]
    history = [dict(message) for message in question.history]
    last = {"role": "user", "content": question.text}
    return [{"role": "system", "content": "\n".join(lines)}, *history, last]
