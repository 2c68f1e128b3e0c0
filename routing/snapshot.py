"""A tenant's configuration as one frozen value, read once per version and shared by all its turns.

However many agents, rules and prompts are configured, a turn reads none of them: it takes the
snapshot of the version that its claim returned. Saving configuration bumps
`Tenant.config_version`, and the next claim asks for a newer snapshot.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from threading import Lock
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Prefetch

from orkesta.crypto import SecretUnreadable
from orkesta.errors import OrkestaError
from prompts.experiment_models import Experiment
from prompts.experiments import takes_part
from prompts.models import PromptLabel, PromptVersion
from prompts.rendering import (
    CompiledTemplate,
    VariableSpec,
    compile_template,
    parse_variables,
    resolve_variables,
)
from routing.endpoints import MAX_FALLBACKS
from routing.example_vectors import Meanings, read_meanings
from routing.llm.retry import RetryPolicy
from routing.llm.types import LLMTarget
from routing.models import Agent, LLMEndpoint, McpServer, RoutingRule
from routing.polite import polite_answer
from routing.rules import Rule, compile_condition, know_each_other
from routing.tools.building import read_tools
from routing.tools.of_servers import read_server_tools, servers_of, with_server_tools
from routing.tools.server_words import block_of, read_words
from routing.tools.values import ToolSnapshot
from routing.webhook_agents import WebhookTarget
from tenants.models import Tenant
from tenants.selectors import get_tenant

MAX_SNAPSHOTS: Final = 500
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PromptSnapshot:
    """The published text an agent is told, compiled."""

    version_id: UUID
    label: str
    template: CompiledTemplate
    declared: Mapping[str, VariableSpec] = field(default_factory=dict)

    def render(self, variables: Mapping[str, Any]) -> str:
        """What the agent is told. Declared variables are taken from `variables["context"]`, or have
        their defaults.

        Raises TemplateFailed when the context lacks a required one or has one of another type.
        """
        own = resolve_variables(self.declared, variables["context"]) if self.declared else {}
        return self.template.render({**own, **variables})


@dataclass(frozen=True, slots=True)
class Challenger:
    """A version that an experiment lets a share of the sessions be told."""

    experiment_id: UUID
    share: int
    prompt: PromptSnapshot


@dataclass(frozen=True, slots=True)
class AgentSnapshot:
    slug: str
    name: str
    description: str
    intents: tuple[str, ...]
    prompt: PromptSnapshot | None
    target: LLMTarget | None
    temperature: float | None
    max_tokens_per_step: int
    max_steps: int
    timeout_seconds: float
    tools: tuple[ToolSnapshot, ...] = ()
    max_task_tokens: int = 0
    max_task_seconds: float = 0.0
    history_turns: int = 10
    may_ask_human: bool = False
    answer_hours: float | None = None
    may_hand_off: bool = False
    failure_answer: str | None = None
    webhook: WebhookTarget | None = None
    instructions: str = ""
    #: What the servers of its tools say, as approved and quoted.
    server_words: str = ""
    challenger: Challenger | None = None
    #: Versions by the labels that point to them.
    labelled: Mapping[str, PromptSnapshot] = field(default_factory=dict)

    def prompt_in(self, session_id: UUID, label: str = "") -> PromptSnapshot | None:
        """What the agent is told in that session: the published version, or the challenger. With a
        label, the version that carries it, or else the published one.
        """
        if label:
            return self.labelled.get(label, self.prompt)
        rival = self.challenger
        if rival and takes_part(rival.experiment_id, session_id, rival.share):
            return rival.prompt
        return self.prompt


@dataclass(frozen=True, slots=True)
class TenantSnapshot:
    """Everything a turn needs to know of its tenant."""

    tenant_id: UUID
    slug: str
    name: str
    config_version: int
    business_context: str
    agents: Mapping[str, AgentSnapshot]
    rules: tuple[Rule, ...]
    fallback_slug: str | None
    supervisor_target: LLMTarget | None
    zone: tzinfo = UTC
    polite_answer: str = ""
    meanings: Meanings | None = None
    _pinned: dict[UUID, PromptSnapshot | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def prompt_for(
        self, agent: AgentSnapshot, pinned_version_id: UUID | None
    ) -> PromptSnapshot | None:
        """The agent's prompt, or the older version that a running task pinned.

        Reads the database when the pinned version is no longer the published one.
        """
        current = agent.prompt
        if pinned_version_id is None or (current and current.version_id == pinned_version_id):
            return current
        if pinned_version_id not in self._pinned:
            version = (
                PromptVersion.objects.select_related("prompt").filter(pk=pinned_version_id).first()
            )
            if version is None:
                return current
            self._pinned[pinned_version_id] = _prompt_snapshot(version)
        return self._pinned[pinned_version_id]

    def failure_answer(self, agent_slug: str | None) -> str:
        """What the customer is told when nobody can answer: the words of the agent that has the
        task, those of the fallback agent, or Orkesta's own. Empty where an error is wanted instead,
        and where there is no agent to speak.
        """
        for slug in (agent_slug, self.fallback_slug):
            agent = self.agents.get(slug) if slug else None
            if agent is not None and agent.failure_answer is not None:
                return agent.failure_answer.strip()
        return self.polite_answer if self.agents else ""


_cache: OrderedDict[UUID, TenantSnapshot] = OrderedDict()
_lock = Lock()


def get_snapshot(tenant_id: UUID, config_version: int) -> TenantSnapshot:
    """The tenant's configuration, at `config_version` or newer. Needs the tenant's scope."""
    with _lock:
        found = _cache.get(tenant_id)
    if found is not None and found.config_version >= config_version:
        return found
    fresh = _read(get_tenant(tenant_id))
    with _lock:
        _cache[tenant_id] = fresh
        _cache.move_to_end(tenant_id)
        while len(_cache) > MAX_SNAPSHOTS:
            _cache.popitem(last=False)
    return fresh


def known_version(tenant_id: UUID) -> int | None:
    """The version of the newest snapshot that this process holds; None when it holds none."""
    with _lock:
        found = _cache.get(tenant_id)
    return None if found is None else found.config_version


def forget_snapshots() -> None:
    """Empty the cache; for tests and for commands that change configuration behind its back."""
    with _lock:
        _cache.clear()


def _read(tenant: Tenant) -> TenantSnapshot:
    endpoints = {row.pk: row for row in LLMEndpoint.objects.filter(is_active=True)}
    default = next((row for row in endpoints.values() if row.is_default), None)
    published = PromptVersion.objects.filter(status=PromptVersion.Status.PUBLISHED)
    rows = (
        Agent.objects.filter(is_active=True)
        .select_related("prompt", "mcp_server")
        .prefetch_related(Prefetch("prompt__versions", published, to_attr="published"))
    )
    tools, challengers = read_tools(tenant.time_zone), _challengers()
    labels = _labelled()
    servers = {server.pk for row in rows if (server := server_of(row))}
    of_servers = read_server_tools(servers, tenant.time_zone)
    used = {
        row.pk: with_server_tools(
            tools.get(row.pk, ()),
            of_servers.get(row.mcp_server_id, ()) if row.mcp_server_id else (),
        )
        for row in rows
    }
    words = read_words(servers | {one for mine in used.values() for one in servers_of(mine)})
    agents = {
        row.slug: _agent_snapshot(
            row,
            _target(_endpoint_of(row, endpoints, default), row.llm, endpoints, agent=row),
            tools=used[row.pk],
            words=words,
            challenger=challengers.get(row.prompt_id) if row.prompt_id else None,
            labelled=labels.get(row.prompt_id, {}) if row.prompt_id else {},
        )
        for row in rows
    }
    rules = read_rules()
    embedding = next((row for row in endpoints.values() if row.embedding_llm), None)
    return TenantSnapshot(
        tenant_id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        config_version=tenant.config_version,
        business_context=tenant.business_context,
        agents=MappingProxyType(agents),
        rules=rules,
        fallback_slug=next((row.slug for row in rows if row.is_fallback), None),
        supervisor_target=_target(default, "", endpoints),
        zone=_zone(tenant),
        polite_answer=polite_answer(tenant.language),
        meanings=read_meanings(embedding_target(embedding), rules),
    )


def read_rules() -> tuple[Rule, ...]:
    """The tenant's active rules, in order, as they are stored now."""
    return compile_rules(RoutingRule.objects.select_related("agent"))


def compile_rules(rows: Iterable[RoutingRule]) -> tuple[Rule, ...]:
    """The active ones of these rows, of active agents, that can be used; in their order."""
    active = [row for row in rows if row.is_active and row.agent.is_active]
    return know_each_other([rule for row in active if (rule := _rule(row)) is not None])


def _endpoint_of(
    row: Agent, endpoints: Mapping[UUID, LLMEndpoint], default: LLMEndpoint | None
) -> LLMEndpoint | None:
    """The endpoint the agent names; the default when it names none, or one that is switched off."""
    return endpoints.get(row.llm_endpoint_id, default) if row.llm_endpoint_id else default


def _agent_snapshot(
    row: Agent,
    target: LLMTarget | None,
    *,
    tools: tuple[ToolSnapshot, ...],
    words: Mapping[UUID, str],
    challenger: Challenger | None,
    labelled: Mapping[str, PromptSnapshot],
) -> AgentSnapshot:
    server = server_of(row)
    versions: list[PromptVersion] = getattr(row.prompt, "published", [])
    return AgentSnapshot(
        slug=row.slug,
        name=row.name,
        description=row.description,
        intents=tuple(row.intents),
        prompt=_prompt_snapshot(versions[0]) if versions else None,
        target=target,
        temperature=row.temperature,
        max_tokens_per_step=row.max_tokens_per_step,
        max_steps=row.max_steps,
        timeout_seconds=row.timeout_seconds,
        tools=tools,
        max_task_tokens=row.max_task_tokens,
        max_task_seconds=row.max_task_seconds,
        history_turns=row.history_turns,
        may_ask_human=row.may_ask_human,
        answer_hours=row.answer_hours,
        may_hand_off=row.may_hand_off,
        failure_answer=row.failure_answer,
        instructions=server.instructions if server else "",
        server_words=block_of(words, servers_of(tools) | ({server.pk} if server else set())),
        webhook=_webhook(row) if row.kind == Agent.Kind.WEBHOOK else None,
        challenger=challenger,
        labelled=labelled,
    )


# One broken row must not silence the whole tenant: it is left out, and the log says so.


def _challengers() -> dict[UUID, Challenger]:
    """The experiments that run, by prompt."""
    rows = Experiment.objects.filter(ended_at=None).select_related("challenger__prompt")
    found = ((row, _prompt_snapshot(row.challenger)) for row in rows)
    return {row.prompt_id: Challenger(row.pk, row.share, prompt) for row, prompt in found if prompt}


def _labelled() -> dict[UUID, dict[str, PromptSnapshot]]:
    """The versions that labels point to, by prompt and label."""
    found: dict[UUID, dict[str, PromptSnapshot]] = {}
    for label in PromptLabel.objects.select_related("version__prompt"):
        prompt = _prompt_snapshot(label.version)
        if prompt is not None:
            found.setdefault(label.prompt_id, {})[label.name] = prompt
    return found


def _prompt_snapshot(version: PromptVersion) -> PromptSnapshot | None:
    try:
        template = compile_template(version.template)
        declared = parse_variables(version.variables)
    except OrkestaError as exc:
        logger.error("prompt version %s cannot be used: %s", version.pk, exc)
        return None
    label = f"{version.prompt.slug} v{version.number}"
    return PromptSnapshot(version.pk, label, template, declared)


def _zone(tenant: Tenant) -> tzinfo:
    try:
        return ZoneInfo(tenant.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        logger.error("time zone of tenant %s cannot be used: %s", tenant.slug, exc)
        return UTC


def _target(
    endpoint: LLMEndpoint | None,
    llm: str,
    endpoints: Mapping[UUID, LLMEndpoint],
    *,
    agent: Agent | None = None,
) -> LLMTarget | None:
    """The endpoint, and behind it those that stand in for it, with LLMs of their own. One that
    cannot be used is passed over.
    """
    chain: list[LLMEndpoint] = []
    while endpoint is not None and endpoint not in chain and len(chain) <= MAX_FALLBACKS:
        chain.append(endpoint)
        endpoint = endpoints.get(endpoint.fallback_id) if endpoint.fallback_id else None
    target = None
    for row in reversed(chain):
        own_llm = llm if row is chain[0] else ""
        target = _one_target(row, own_llm, agent, fallback=target)
    return target


def _one_target(
    endpoint: LLMEndpoint, llm: str, agent: Agent | None, *, fallback: LLMTarget | None
) -> LLMTarget | None:
    try:
        api_key = endpoint.api_key
    except SecretUnreadable as exc:
        logger.error("LLM endpoint %s cannot be used: %s", endpoint.pk, exc)
        return fallback
    patience = agent.timeout_seconds if agent else None
    return LLMTarget(
        name=endpoint.name,
        base_url=endpoint.base_url,
        api_key=api_key,
        model=llm or endpoint.llm,
        timeout_seconds=min(patience or endpoint.timeout_seconds, endpoint.timeout_seconds),
        tenant_id=str(endpoint.tenant_id),
        deadline_seconds=patience,
        max_retries=agent.max_retries if agent else None,
        fallback=fallback,
    )


def embedding_target(endpoint: LLMEndpoint | None) -> LLMTarget | None:
    """Where the endpoint is asked for vectors; None when it makes none, or cannot be used."""
    if endpoint is None or not endpoint.embedding_llm:
        return None
    return _one_target(endpoint, endpoint.embedding_llm, None, fallback=None)


def server_of(row: Agent) -> McpServer | None:
    """The server whose tools are all the agent's; None for other kinds, and while it is off."""
    server = row.mcp_server if row.kind == Agent.Kind.MCP else None
    return server if server is not None and server.is_active else None


def _webhook(row: Agent) -> WebhookTarget | None:
    try:
        secret = row.webhook_secret
    except SecretUnreadable as exc:
        logger.error("webhook agent %s cannot be used: %s", row.pk, exc)
        return None
    return WebhookTarget(
        tenant_id=str(row.tenant_id),
        slug=row.slug,
        url=row.webhook_url,
        secret=secret,
        timeout_seconds=row.timeout_seconds,
        retry=RetryPolicy(attempts=1 + row.max_retries),
    )


def _rule(row: RoutingRule) -> Rule | None:
    try:
        condition = compile_condition(row.kind, row.condition)
    except OrkestaError as exc:
        logger.error("routing rule %s cannot be used: %s", row.pk, exc)
        return None
    return Rule(str(row.pk), row.name, condition, row.agent.slug, row.intent)


def template_variables(
    snapshot: TenantSnapshot, agent: AgentSnapshot, *, user_name: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    """What a prompt may speak of: plain data only."""
    return {
        "agent": {"slug": agent.slug, "name": agent.name, "description": agent.description},
        "tenant": {
            "slug": snapshot.slug,
            "name": snapshot.name,
            "business_context": snapshot.business_context,
        },
        "user": {"name": user_name},
        "context": dict(context),
    }
