"""What a message would set off: every rule's verdict and what happens next. Nothing is stored, and
no LLM is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

from routing.models import Agent, LLMEndpoint
from routing.rules import RoutableMessage, Rule, SessionState, Trial, try_all
from routing.snapshot import read_rules
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
    """Every active rule in order, the one that decides, what is next, and how long it took."""

    trials: tuple[Trial, ...]
    winner: Trial | None
    next: NextMove
    duration_ms: float


def rehearse(
    tenant: Tenant,
    text: str,
    *,
    at: datetime,
    context: Mapping[str, Any] | None = None,
    session: SessionState | None = None,
) -> Rehearsal:
    """Try the stored rules on a message that comes in then. Needs the tenant's scope."""
    rules = read_rules()
    agents = list(Agent.objects.filter(is_active=True))
    has_llm = LLMEndpoint.objects.filter(is_active=True, is_default=True).exists()
    started = perf_counter()
    local = at.astimezone(ZoneInfo(tenant.time_zone))
    message = RoutableMessage.of(text, at=local, context=context, session=session)
    trials = tuple(try_all(rules, message))
    winner = next((trial for trial in trials if trial.reason is not None), None)
    duration_ms = (perf_counter() - started) * 1000
    move = _after(winner.rule if winner else None, agents, message.session, has_llm=has_llm)
    return Rehearsal(trials, winner, move, duration_ms)


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
