"""What a message would set off: every rule's verdict and what happens next. Nothing is stored, and
no LLM is asked; an embedding model only where that is wanted, or costs nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

from asgiref.sync import async_to_sync

from orkesta.outbound import configured_policy
from routing.example_vectors import Meanings, read_meanings
from routing.gateway import Gateway
from routing.llm.client import LLMClient
from routing.meaning import Meant, ask_meaning, is_known
from routing.models import Agent, LLMEndpoint
from routing.rules import RoutableMessage, Rule, SessionState, Trial, try_all
from routing.snapshot import embedding_target, read_rules
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class NextMove:
    """What happens after the rules; with `asks_llm` the agent is who answers should the LLM not
    know. `agent_name` is empty when nobody can answer.
    """

    source: str
    agent_slug: str = ""
    agent_name: str = ""

    @property
    def asks_llm(self) -> bool:
        return self.source == "llm"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Every active rule in order, the one that decides, what is next, and how long it took.
    `meaning` is there when an embedding model is asked before the LLM.
    """

    trials: tuple[Trial, ...]
    winner: Trial | None
    next: NextMove
    duration_ms: float
    meaning: Meant | None = None


def rehearse(
    tenant: Tenant,
    text: str,
    *,
    at: datetime,
    context: Mapping[str, Any] | None = None,
    session: SessionState | None = None,
    may_embed: bool = False,
) -> Rehearsal:
    """Try the stored rules on a message that comes in then; with `may_embed` at the cost of an
    embedding. Needs the tenant's scope.
    """
    rules = read_rules()
    agents = list(Agent.objects.filter(is_active=True))
    has_llm = LLMEndpoint.objects.filter(is_active=True, is_default=True).exists()
    started = perf_counter()
    local = at.astimezone(ZoneInfo(tenant.time_zone))
    message = RoutableMessage.of(text, at=local, context=context, session=session)
    trials = tuple(try_all(rules, message))
    winner = next((trial for trial in trials if trial.reason is not None), None)
    meaning = None
    if winner is None and len(agents) > 1:
        meaning = _meaning(rules, message.text, may_embed=may_embed)
        winner = meaning.trial if meaning else None
    duration_ms = (perf_counter() - started) * 1000
    move = _after(winner.rule if winner else None, agents, message.session, has_llm=has_llm)
    return Rehearsal(trials, winner, move, duration_ms, meaning)


def _meaning(rules: Sequence[Rule], text: str, *, may_embed: bool) -> Meant | None:
    """What the embedding model says, if there is one to ask."""
    endpoint = LLMEndpoint.objects.filter(is_active=True).exclude(embedding_llm="").first()
    meanings = read_meanings(embedding_target(endpoint), rules)
    if meanings is None:
        return None
    if not may_embed and not is_known(meanings, text):
        return Meant(meanings.target.name, meanings.target.model, is_asked=False)
    return async_to_sync(_ask)(meanings, rules, text)


async def _ask(meanings: Meanings, rules: Sequence[Rule], text: str) -> Meant:
    # A client of its own: the process's belongs to another event loop.
    client = LLMClient(policy=configured_policy())
    try:
        return await ask_meaning(meanings, rules, text, Gateway(client))
    finally:
        await client.aclose()


def _after(
    rule: Rule | None, agents: list[Agent], session: SessionState, *, has_llm: bool
) -> NextMove:
    """What the supervisor does, told without asking it."""
    by_slug = {agent.slug: agent for agent in agents}
    if rule is not None:
        return NextMove("rule", rule.agent_slug, by_slug[rule.agent_slug].name)
    active = by_slug.get(session.active_agent)
    fallback = next((agent for agent in agents if agent.is_fallback), None)
    last = active or fallback or next(iter(agents), None)
    if last is None:
        return NextMove("nobody")
    if has_llm and len(agents) > 1:
        return NextMove("llm", last.slug, last.name)
    return NextMove("sticky" if active else "fallback", last.slug, last.name)
