"""Reads of the routing room, under an active tenant scope."""

from django.db.models import Prefetch, QuerySet

from routing.models import Agent, AgentTool, LLMEndpoint, McpServer, Tool


def list_agents() -> QuerySet[Agent]:
    chosen = AgentTool.objects.select_related("tool").order_by("tool__name")
    usable = Tool.objects.filter(is_active=True, is_quarantined=False, is_missing=False)
    rows = Agent.objects.filter(is_active=True).select_related("prompt", "mcp_server")
    return rows.prefetch_related(
        Prefetch("agent_tools", chosen), Prefetch("mcp_server__tools", usable)
    ).order_by("name")


def list_tools() -> QuerySet[Tool]:
    return Tool.objects.select_related("mcp_server").order_by("name")


def list_mcp_servers() -> QuerySet[McpServer]:
    return McpServer.objects.order_by("name")


def has_active_agent(slug: str) -> bool:
    return Agent.objects.filter(slug=slug, is_active=True).exists()


def has_embedding_model() -> bool:
    rows = LLMEndpoint.objects.filter(is_active=True)
    return rows.exclude(embedding_llm="").exists()
