"""What happens in the house of a tenant, as events of its webhooks."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone

from conversations.triggers.events import WebhookEvent
from conversations.triggers.outbox import Announcement, announce


def tell(tenant_id: UUID, event: str, data: Mapping[str, Any]) -> None:
    """Write the deliveries, in the transaction and the scope of what happened."""
    announce(tenant_id, [Announcement(WebhookEvent(event), data)], at=timezone.now())
