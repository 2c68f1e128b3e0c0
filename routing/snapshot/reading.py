"""A tenant's configuration, read from its rows.

One broken row must not silence the whole tenant: it is left out, and the log says so.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Prefetch

from prompts.models import PromptVersion
from routing.example_vectors import read_meanings
from routing.llm.types import LLMTarget
from routing.models import Agent, LLMEndpoint, McpServer
from routing.polite import polite_answer
from routing.snapshot.prompts import (
    Challenger,
    PromptSnapshot,
    read_challengers,
    read_labelled,
    read_prompt,
)
from routing.snapshot.rules import read_rules
from routing.snapshot.targets import embedding_target, endpoint_of, llm_target, webhook_target
from routing.snapshot.values import AgentSnapshot, TenantSnapshot
from routing.tools.building import read_tools
from routing.tools.of_servers import read_server_tools, servers_of, with_server_tools
from routing.tools.server_words import block_of, read_words
from routing.tools.values import ToolSnapshot
from tenants.models import Tenant

logger = logging.getLogger(__name__)


def read_tenant(tenant: Tenant) -> TenantSnapshot:
    """The tenant's configuration as it is stored now. Needs the tenant's scope."""
    endpoints = {row.pk: row for row in LLMEndpoint.objects.filter(is_active=True)}
    default = next((row for row in endpoints.values() if row.is_default), None)
    embedding = next((row for row in endpoints.values() if row.embedding_llm), None)
    rows, rules = _active_agents(), read_rules()
    targets = {
        row.pk: llm_target(endpoint_of(row, endpoints, default), row.llm, endpoints, agent=row)
        for row in rows
    }
    return TenantSnapshot(
        tenant_id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        config_version=tenant.config_version,
        business_context=tenant.business_context,
        agents=MappingProxyType(_read_agents(tenant, rows, targets)),
        rules=rules,
        fallback_slug=next((row.slug for row in rows if row.is_fallback), None),
        supervisor_target=llm_target(default, "", endpoints),
        zone=_zone(tenant),
        polite_answer=polite_answer(tenant.language),
        meanings=read_meanings(embedding_target(embedding), rules),
    )


def _active_agents() -> Sequence[Agent]:
    published = PromptVersion.objects.filter(status=PromptVersion.Status.PUBLISHED)
    return list(
        Agent.objects.filter(is_active=True)
        .select_related("prompt", "mcp_server")
        .prefetch_related(Prefetch("prompt__versions", published, to_attr="published"))
    )


def _read_agents(
    tenant: Tenant, rows: Sequence[Agent], targets: Mapping[UUID, LLMTarget | None]
) -> dict[str, AgentSnapshot]:
    tools, challengers, labels = read_tools(tenant.time_zone), read_challengers(), read_labelled()
    servers = {server.pk for row in rows if (server := _server_of(row))}
    of_servers = read_server_tools(servers, tenant.time_zone)
    used = {
        row.pk: with_server_tools(
            tools.get(row.pk, ()),
            of_servers.get(row.mcp_server_id, ()) if row.mcp_server_id else (),
        )
        for row in rows
    }
    words = read_words(servers | {one for mine in used.values() for one in servers_of(mine)})
    return {
        row.slug: _agent_snapshot(
            row,
            targets[row.pk],
            tools=used[row.pk],
            words=words,
            challenger=challengers.get(row.prompt_id) if row.prompt_id else None,
            labelled=labels.get(row.prompt_id, {}) if row.prompt_id else {},
        )
        for row in rows
    }


def _agent_snapshot(
    row: Agent,
    target: LLMTarget | None,
    *,
    tools: tuple[ToolSnapshot, ...],
    words: Mapping[UUID, str],
    challenger: Challenger | None,
    labelled: Mapping[str, PromptSnapshot],
) -> AgentSnapshot:
    server = _server_of(row)
    versions: list[PromptVersion] = getattr(row.prompt, "published", [])
    return AgentSnapshot(
        slug=row.slug,
        name=row.name,
        description=row.description,
        intents=tuple(row.intents),
        prompt=read_prompt(versions[0]) if versions else None,
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
        webhook=webhook_target(row) if row.kind == Agent.Kind.WEBHOOK else None,
        challenger=challenger,
        labelled=labelled,
    )


def _server_of(row: Agent) -> McpServer | None:
    """The server whose tools are all the agent's; None for other kinds, and while it is off."""
    server = row.mcp_server if row.kind == Agent.Kind.MCP else None
    return server if server is not None and server.is_active else None


def _zone(tenant: Tenant) -> tzinfo:
    try:
        return ZoneInfo(tenant.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        logger.error("time zone of tenant %s cannot be used: %s", tenant.slug, exc)
        return UTC
