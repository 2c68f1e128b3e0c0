"""How much of a tier's limits the tenant in scope uses."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from routing.endpoints import MAX_FALLBACKS
from routing.models import Agent, LLMEndpoint

NO_ROW = UUID(int=0)


def agents() -> int:
    return Agent.objects.count()


def llms_in_use() -> set[str]:
    """What active agents speak with, what stands in for it, and what the supervisor asks."""
    endpoints = {row.pk: row for row in LLMEndpoint.objects.filter(is_active=True)}
    default = next((row for row in endpoints.values() if row.is_default), None)
    found = {row.embedding_llm for row in endpoints.values()} | set(_llms(default, endpoints))
    for agent in Agent.objects.filter(is_active=True).exclude(kind=Agent.Kind.WEBHOOK):
        endpoint = endpoints.get(agent.llm_endpoint_id or NO_ROW, default)
        own, *others = [*_llms(endpoint, endpoints)] or [""]
        found |= {agent.llm or own, *others}
    return found - {""}


def _llms(endpoint: LLMEndpoint | None, endpoints: Mapping[UUID, LLMEndpoint]) -> Iterator[str]:
    """Of the endpoint, then of those that stand in for it."""
    for _ in range(MAX_FALLBACKS + 1):
        if endpoint is not None:
            yield endpoint.llm
            endpoint = endpoints.get(endpoint.fallback_id or NO_ROW)
