"""Where agents are answered: LLM endpoints with those that stand in for them, and webhooks."""

import logging
from collections.abc import Mapping
from uuid import UUID

from orkesta.crypto import SecretUnreadable
from routing.endpoints import MAX_FALLBACKS
from routing.llm.retry import RetryPolicy
from routing.llm.types import LLMTarget
from routing.models import Agent, LLMEndpoint
from routing.webhook_agents import WebhookTarget

logger = logging.getLogger(__name__)


def endpoint_of(
    row: Agent, endpoints: Mapping[UUID, LLMEndpoint], default: LLMEndpoint | None
) -> LLMEndpoint | None:
    """The endpoint the agent names; the default when it names none, or one that is switched off."""
    return endpoints.get(row.llm_endpoint_id, default) if row.llm_endpoint_id else default


def llm_target(
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


def webhook_target(row: Agent) -> WebhookTarget | None:
    """None, and the log says why, when its secret cannot be read."""
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
