"""Who answers a message: rules first, what it means to their examples second where a tenant wants
that, the LLM third, the fallback agent last.

Every decision carries its reason and a trace, which the engine stores on the `route` step: the
rules that were tried, those that came near, and, when the LLM was asked, which prompt it was told,
what it said and how its breaker stands.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any, Final

from routing.decisions import Decision, Question, decision_schema, read_answer
from routing.errors import LLMError, NoAgent
from routing.gateway import Gateway, breaker_name
from routing.llm.types import Completion, FailedTarget, LLMRequest, LLMTarget
from routing.meaning import ask_meaning
from routing.rules import RoutableMessage, Trial, came_near, first_for_intent, first_match
from routing.snapshot import TenantSnapshot

#: Below this the LLM's choice is not followed.
CONFIDENCE_TO_FOLLOW: Final = 0.5
#: Below this the agent that has the conversation keeps it.
CONFIDENCE_TO_HAND_OVER: Final = 0.7
DECISION_TOKENS: Final = 400
MAX_NEAR: Final = 5
MAX_TRACED_CHARS: Final = 2000

__all__ = ["Decision", "Question", "decide", "decision_schema"]


async def decide(snapshot: TenantSnapshot, question: Question, gateway: Gateway) -> Decision:
    """The decision for one message. Raises NoAgent when the tenant has nobody who could answer."""
    if question.asked_for in snapshot.agents:
        return Decision("asked_for", "The request named the agent.", question.asked_for)
    message = routable(snapshot, question)
    match = first_match(snapshot.rules, message)
    if match is not None:
        return _by_rule(match, _tried(snapshot, message, match))
    tried = _tried(snapshot, message)
    if len(snapshot.agents) == 1:
        only = next(iter(snapshot.agents))
        return Decision("fallback", "It is the only agent.", only, trace=tried)
    if snapshot.meanings is not None:
        meant = await ask_meaning(snapshot.meanings, snapshot.rules, message.text, gateway)
        tried["meaning"] = meant.trace()
        if meant.trial is not None:
            return _by_rule(meant.trial, tried)
    target = snapshot.supervisor_target
    if target is None:
        decision = _without_llm(snapshot, question, "No LLM endpoint is configured.")
    else:
        decision = await _by_llm(snapshot, question, target, gateway)
    return replace(decision, trace={**tried, **decision.trace})


def routable(snapshot: TenantSnapshot, question: Question) -> RoutableMessage:
    """The message as rules see it, at the time on the tenant's wall."""
    at = question.asked_at.astimezone(snapshot.zone) if question.asked_at else None
    return RoutableMessage.of(
        question.text, at=at, context=question.context, session=question.session
    )


def _tried(
    snapshot: TenantSnapshot, message: RoutableMessage, match: Trial | None = None
) -> dict[str, Any]:
    rules = snapshot.rules
    tried: dict[str, Any] = {
        "rules_tried": match.position if match else len(rules),
        "near": [
            {
                "rule_id": trial.rule.id,
                "rule": trial.rule.name,
                "score": round(trial.near.score, 3),
                "example": trial.near.example[:80],
            }
            for trial in came_near(rules, message, limit=MAX_NEAR)
            if trial.near is not None
        ],
    }
    return tried


def _by_rule(
    match: Trial, trace: Mapping[str, Any], *, intent: str = "", confidence: float = 1.0
) -> Decision:
    return Decision(
        source="rule",
        reason=f"Rule «{match.rule.name}»: {match.reason}.",
        agent_slug=match.rule.agent_slug,
        intent=match.rule.intent or intent,
        confidence=confidence,
        trace={"rule_id": match.rule.id, "rule": match.rule.name, **trace},
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
    said: list[dict[str, str]] = []
    answer, problem = None, ""
    failed: tuple[FailedTarget, ...] = ()
    for _ in range(2):
        try:
            completion = await gateway.complete(target, _request(messages, schema))
        except LLMError as exc:
            problem, failed = exc.message, (*failed, *exc.details.get("failed", ()))
            break
        completions.append(completion)
        failed = (*failed, *completion.failed)
        answer, problem = read_answer(completion.text, schema)
        said.append({"text": completion.text[:MAX_TRACED_CHARS], "problem": problem})
        if answer is not None:
            break
        told = completion.text[:MAX_TRACED_CHARS]
        messages = [*messages, {"role": "assistant", "content": told}, _repair(problem)]
    trace = {
        "supervisor_prompt": _version(messages[0]["content"]),
        "llm_said": said,
        "breakers": {breaker_name(target): await gateway.breaker_status(target)},
        **({"llm_failed": [asdict(one) for one in failed]} if failed else {}),
    }
    if answer is None:
        decision = _without_llm(snapshot, question, f"No usable decision: {problem}")
    else:
        decision = _weigh(snapshot, question, answer)
    return replace(decision, trace={**trace, **decision.trace}, completions=tuple(completions))


def _request(messages: list[dict[str, Any]], schema: dict[str, Any]) -> LLMRequest:
    return LLMRequest(
        messages=messages,
        response_schema=schema,
        schema_name="decision",
        temperature=0.0,
        max_output_tokens=DECISION_TOKENS,
    )


def _version(prompt: str) -> str:
    """Names the text that the supervisor was told; the same text always has the same name."""
    return sha256(prompt.encode("utf-8", "replace")).hexdigest()[:12]


def _weigh(snapshot: TenantSnapshot, question: Question, answer: Mapping[str, Any]) -> Decision:
    """Turn the LLM's answer into a decision: a rule on the intent that it found, its choice, the
    agent that has the conversation, or the fallback.
    """
    confidence, slug, intent = float(answer["confidence"]), answer["agent_name"], answer["intent"]
    common: dict[str, Any] = {"intent": intent, "confidence": confidence}
    trace = {"answer": dict(answer)}
    match = first_for_intent(snapshot.rules, intent)
    if match is not None and confidence >= CONFIDENCE_TO_FOLLOW:
        return _by_rule(match, trace, **common)
    active = question.active_agent if question.active_agent in snapshot.agents else ""
    enough = CONFIDENCE_TO_HAND_OVER if active else CONFIDENCE_TO_FOLLOW
    response = (answer["response"] or "").strip()
    if answer["action"] == "respond" and response and confidence >= enough:
        why = "The supervisor answers by itself."
        return Decision("llm", why, response=response, trace=trace, **common)
    if slug in snapshot.agents and (confidence >= enough or slug == active):
        why = f"The LLM chose it for intent «{intent}» with confidence {confidence:.2f}."
        return Decision("llm", why, slug, trace=trace, **common)
    if active:
        why = (
            f"«{active}» keeps the conversation: {confidence:.2f} is not sure enough to hand over."
        )
        return Decision("sticky", why, active, trace=trace, **common)
    why = f"The LLM was not sure enough ({confidence:.2f})."
    return Decision("fallback", why, _fallback(snapshot), trace=trace, **common)


def _without_llm(snapshot: TenantSnapshot, question: Question, why: str) -> Decision:
    trace = {"problem": why}
    if question.active_agent in snapshot.agents:
        reason = f"{why} The active agent keeps the conversation."
        return Decision("sticky", reason, question.active_agent, confidence=0.0, trace=trace)
    return Decision("fallback", why, _fallback(snapshot), confidence=0.0, trace=trace)


def _fallback(snapshot: TenantSnapshot) -> str:
    if snapshot.fallback_slug:
        return snapshot.fallback_slug
    if snapshot.agents:
        return next(iter(snapshot.agents))
    raise NoAgent


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
