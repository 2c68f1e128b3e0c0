"""How long triggers are remembered."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from conversations.trigger_models import InboundReceipt, ScheduleRun, WebhookDelivery
from tenants.scope import scopes_disabled

RUNS_KEPT_FOR: Final = timedelta(days=90)
#: For so long an inbound webhook knows the ids that it has obeyed.
RECEIPTS_KEPT_FOR: Final = timedelta(hours=24)
DELIVERIES_KEPT_FOR: Final = timedelta(days=30)


def forget_old() -> int:
    """Delete what is older, of all tenants; how many rows that were."""
    now = timezone.now()
    with scopes_disabled():
        old = (
            ScheduleRun.objects.filter(fired_at__lt=now - RUNS_KEPT_FOR),
            InboundReceipt.objects.filter(received_at__lt=now - RECEIPTS_KEPT_FOR),
            WebhookDelivery.objects.filter(settled_at__lt=now - DELIVERIES_KEPT_FOR),
        )
        num_deleted = 0
        for rows in old:
            with transaction.atomic():
                num_deleted += rows.delete()[0]
        return num_deleted
