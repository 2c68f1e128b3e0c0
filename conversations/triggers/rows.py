"""Putting what people asked for into a row."""

from collections.abc import Mapping
from typing import Any

from conversations.errors import UnknownAgent
from conversations.trigger_models import InboundWebhook, Schedule, WebhookEndpoint
from routing.models import Agent


def fill(row: Schedule | InboundWebhook | WebhookEndpoint, values: Mapping[str, Any]) -> list[str]:
    """Set the fields of `row`, with `agent` found by its slug (empty: none); the names of the
    fields that were set. Raises UnknownAgent.
    """
    for name, value in values.items():
        setattr(row, name, _agent(value) if name == "agent" else value)
    return list(values)


def _agent(slug: str) -> Agent | None:
    if not slug:
        return None
    agent = Agent.objects.filter(slug=slug, is_active=True).first()
    if agent is None:
        raise UnknownAgent(errors=[{"pointer": "/agent", "code": "unknown_agent", "detail": slug}])
    return agent
