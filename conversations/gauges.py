"""How much of a tier's limits the tenant in scope uses, now or at its busiest today."""

from collections import Counter
from datetime import timedelta

from django.db.models import Max
from django.utils import timezone

from conversations.connections import connections
from conversations.models import Message, Session, Task
from conversations.states import SessionStatus, TaskStatus
from orkesta.ids import first_uuid7
from tenants.scope import current_tenant_id

DAY = timedelta(days=1)


def busiest_minute() -> int:
    """Customers' messages in the busiest minute of the last day: other requests are not kept."""
    since = first_uuid7(timezone.now() - DAY)
    rows = Message.objects.filter(id__gte=since, role=Message.Role.USER).order_by()
    minutes = Counter(
        at.replace(second=0, microsecond=0) for at in rows.values_list("created_at", flat=True)
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
