"""What is in the tables, whoever it belongs to."""

from conversations.models import Event, Message, Session, Step, Task
from conversations.trigger_models import (
    InboundWebhook,
    Schedule,
    WebhookDelivery,
    WebhookEndpoint,
)
from tenants.models import ApiKey
from tenants.scope import scopes_disabled

_OF_MESSAGES = (ApiKey, Event, Message, Session, Step, Task)
_OF_TRIGGERS = (InboundWebhook, Schedule, WebhookDelivery, WebhookEndpoint)


def num_rows() -> dict[str, int]:
    """Rows of every table that a call may write to."""
    with scopes_disabled():
        return {kind.__name__: kind.objects.count() for kind in (*_OF_MESSAGES, *_OF_TRIGGERS)}
