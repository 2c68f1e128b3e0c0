"""How much of a tier's limits the tenant in scope uses, now or at its busiest today."""

from collections import Counter
from datetime import timedelta

from django.db.models import Max, Min
from django.utils import timezone

from conversations.connections import connections
from conversations.models import Batch, Message, Session, Task
from conversations.states import SessionStatus, TaskStatus
from conversations.trigger_models import InboundWebhook, Schedule, WebhookEndpoint
from orkesta.ids import first_uuid7
from tenants.allowances import Feature
from tenants.scope import current_tenant_id

DAY = timedelta(days=1)
MONTH = timedelta(days=30)


def busiest_minute() -> int:
    """Customers' messages in the busiest minute of the last day: other requests are not kept."""
    return _busiest("tenant_id")


def busiest_minute_of_a_key() -> int:
    """The same, of the messages in sessions that one key opened."""
    return _busiest("session__opened_by_id")


def busiest_minute_of_a_session() -> int:
    return _busiest("session_id")


def _busiest(whose: str) -> int:
    since = first_uuid7(timezone.now() - DAY)
    rows = Message.objects.filter(id__gte=since, role=Message.Role.USER).order_by()
    minutes = Counter(
        (owner, at.replace(second=0, microsecond=0))
        for owner, at in rows.values_list(whose, "created_at")
        if owner is not None
    )
    return max(minutes.values(), default=0)


def longest_session() -> int:
    """Messages in the longest of the open sessions."""
    open_now = Session.objects.filter(status=SessionStatus.OPEN, expires_at__gt=timezone.now())
    return open_now.aggregate(most=Max("num_messages"))["most"] or 0


def running_tasks() -> int:
    return Task.objects.filter(status=TaskStatus.PROCESSING).count()


def open_sockets() -> int:
    """Those of all web processes, as far as this one knows."""
    tenant_id = current_tenant_id()
    return connections.num_of(tenant_id) if tenant_id else 0


def most_sockets_of_a_user() -> int:
    """Those that the busiest user has open at this process."""
    tenant_id = current_tenant_id()
    # A copy: connections come and go in another thread.
    counts = dict(connections.by_owner).items()
    return max((num for owner, num in counts if owner.tenant_id == tenant_id), default=0)


def days_kept() -> int:
    """How many days ago the conversation ended that would be deleted first."""
    over = Session.objects.exclude(status=SessionStatus.OPEN)
    oldest = over.aggregate(at=Min("last_activity_at"))["at"]
    return 0 if oldest is None else (timezone.now() - oldest).days


def features_in_use() -> set[str]:
    """What is set up and active; batches, when there was one in the last month."""
    since = timezone.now() - MONTH
    rows = {
        Feature.BATCHES: Batch.objects.filter(created_at__gte=since),
        Feature.SCHEDULES: Schedule.objects.filter(is_active=True),
        Feature.INBOUND_WEBHOOKS: InboundWebhook.objects.filter(is_active=True),
        Feature.WEBHOOKS: WebhookEndpoint.objects.filter(is_active=True),
    }
    return {feature.value for feature, found in rows.items() if found.exists()}
