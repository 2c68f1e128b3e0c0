"""The admin of conversations: what was said, the work behind it, and the dashboard."""

from conversations.admin import (
    inbound_webhooks,
    inputs,
    rule_replay,
    schedules,
    sessions,
    tasks,
    usage,
    webhook_endpoints,
)

__all__ = [
    "inbound_webhooks",
    "inputs",
    "rule_replay",
    "schedules",
    "sessions",
    "tasks",
    "usage",
    "webhook_endpoints",
]
