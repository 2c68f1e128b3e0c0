"""Which tenants have tasks to start, and how many they may: read anew before every claim."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Count

from conversations.engine.fairness import Queue
from conversations.models import Task
from conversations.states import TaskStatus
from orkesta.statements import statement_cursor
from tenants.models import Tenant, Tier, TierOverride

#: Both databases go from tenant to tenant through the index of what is queued, and never over the
#: tasks themselves: this costs the same with ten tasks in the queue and with a million. A queryset
#: cannot say that. The orders are those of the indexes, so that no other one is taken. The first
#: row is of no tenant: it says whether somebody's lease has run out.
_LOOK: Final = """
WITH RECURSIVE waiting(tenant_id) AS (
    SELECT {before_all}
    UNION ALL
    SELECT (
        SELECT task.tenant_id FROM {task} AS task
        WHERE task.status = 'queued' AND task.tenant_id > waiting.tenant_id
        ORDER BY task.tenant_id, task.priority DESC, task.id LIMIT 1
    ) FROM waiting WHERE waiting.tenant_id IS NOT NULL
)
SELECT NULL AS tenant_id, count(*) AS num, 0 AS weight, NULL AS cap, NULL AS limited, NULL AS value
FROM (
    SELECT 1 FROM {task} WHERE status = 'processing' AND lease_until < {now}
    ORDER BY lease_until LIMIT 1
) AS abandoned
UNION ALL
SELECT
    waiting.tenant_id,
    (SELECT count(*) FROM {task} AS task
     WHERE task.status = 'processing' AND task.tenant_id = waiting.tenant_id),
    COALESCE(share.value, tier.claim_priority), tier.max_concurrent_tasks, own.limit, own.value
FROM waiting
JOIN {tenant} AS tenant ON tenant.id = waiting.tenant_id
JOIN {tier} AS tier ON tier.id = tenant.tier_id
LEFT JOIN {override} AS own ON own.tenant_id = tenant.id AND own.limit = 'max_concurrent_tasks'
    AND (own.expires_at IS NULL OR own.expires_at > {now})
LEFT JOIN {override} AS share ON share.tenant_id = tenant.id AND share.limit = 'claim_priority'
    AND (share.expires_at IS NULL OR share.expires_at > {now})
"""
_DIALECTS: Final = {
    "postgresql": {
        "now": "STATEMENT_TIMESTAMP()",
        "before_all": "CAST('00000000-0000-0000-0000-000000000000' AS uuid)",
    },
    "sqlite": {"now": "STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')", "before_all": "''"},
}


class View(NamedTuple):
    """What there is to claim."""

    has_abandoned: bool
    queues: Sequence[Queue]


@cache
def _looking(vendor: str) -> str:
    quote = connection.ops.quote_name
    models = {"task": Task, "tenant": Tenant, "tier": Tier, "override": TierOverride}
    tables = {name: quote(model._meta.db_table) for name, model in models.items()}
    text = _LOOK.format(**_DIALECTS[vendor], **tables)
    for name in ("own", "share"):
        text = text.replace(f"{name}.limit", f"{name}.{quote('limit')}")
    return text


def look() -> View:
    """What may be claimed, as of now."""
    with statement_cursor() as cursor:
        cursor.execute(_looking(connection.vendor))
        (_, num_abandoned, *_), *found = cursor.fetchall()
    return View(bool(num_abandoned), [_queue(*row) for row in found])


def _queue(
    tenant_id: UUID | str,
    num_running: int,
    weight: Decimal | float,
    cap: int | None,
    limited: str | None,
    value: Decimal | float | None,
) -> Queue:
    if limited is not None:
        cap = None if value is None else int(value)
    return Queue(UUID(str(tenant_id)), num_running, max(1, int(weight)), cap)


def hold(tenant_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many tasks of each tenant run, of those tenants whose tasks nobody else may claim until
    the transaction ends. The others somebody else holds.
    """
    held = Tenant.objects.filter(pk__in=tenant_ids).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:  # SQLite holds everything anyway
        # A full lock would stand in the way of everybody who inserts a row of the tenant.
        held = held.select_for_update(skip_locked=True, no_key=True)
    num_running = dict.fromkeys(held.values_list("pk", flat=True), 0)
    # A statement of its own, begun with the lock in hand: it sees what others claimed before.
    running = Task.objects.filter(tenant__in=list(num_running), status=TaskStatus.PROCESSING)
    counts = running.order_by().values("tenant").annotate(num=Count("pk"))
    return num_running | dict(counts.values_list("tenant", "num"))
