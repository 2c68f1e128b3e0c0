"""Records become sums of days: each record is counted once, whatever runs at the same time.

A record is marked as counted in the transaction that adds it to its day's sum. So the sums and the
records that are not counted yet are together always the whole.
"""

from collections import defaultdict
from datetime import date
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, F, Sum

from orkesta.database import update_returning
from tenants.scope import scopes_disabled
from tenants.usage_models import UsageDay, UsageRecord

#: Records that one transaction counts.
BATCH: Final = 2000
_ALIKE: Final = ("day", "kind", "agent_slug", "llm", "key_id", "price_source", "is_estimated")
_SUMMED: Final = (
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_nano",
    "duration_ms",
)


def find_uncounted() -> list[UUID]:
    """The tenants that have records which no sum holds yet."""
    with scopes_disabled():
        rows = UsageRecord.objects.filter(is_counted=False).order_by()
        return list(rows.values_list("tenant_id", flat=True).distinct())


@transaction.atomic
def roll_up() -> int:
    """Count some records of the tenant in scope; how many. 0 when there is nothing left."""
    waiting = UsageRecord.objects.filter(is_counted=False).order_by("id")
    if connection.features.has_select_for_update_skip_locked:
        waiting = waiting.select_for_update(skip_locked=True)
    ids = list(waiting.values_list("id", flat=True)[:BATCH])
    if not ids:
        return 0
    rows = update_returning(
        UsageRecord.objects.filter(pk__in=ids, is_counted=False),
        {"is_counted": True},
        [*_ALIKE, *_SUMMED],
    )
    sums: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(
        lambda: dict.fromkeys(("num_calls", *_SUMMED), 0)
    )
    for row in rows:
        total = sums[tuple(row[name] for name in _ALIKE)]
        total["num_calls"] += 1
        for name in _SUMMED:
            total[name] += row[name]
    for alike, total in sums.items():
        _add(alike, total)
    return len(rows)


@transaction.atomic
def rebuild(first: date, last: date) -> int:
    """Make the sums of these days anew from their records; how many sums there are. For days whose
    records have been forgotten since, the sums stay as they are.
    """
    within = {"day__gte": first, "day__lte": last}
    records = UsageRecord.objects.filter(**within)
    records.update(is_counted=True)
    days = set(records.order_by().values_list("day", flat=True).distinct())
    UsageDay.objects.filter(day__in=days).delete()
    # One that has been written since then will be counted like any other.
    found = (
        records.filter(is_counted=True)
        .order_by()
        .values(*_ALIKE)
        .annotate(num_calls=Count("pk"), **{f"sum_{name}": Sum(name) for name in _SUMMED})
    )
    rows = [
        UsageDay(
            **_identity(tuple(row[name] for name in _ALIKE)),
            num_calls=row["num_calls"],
            **{name: row[f"sum_{name}"] for name in _SUMMED},
        )
        for row in found
    ]
    for row in rows:
        row.save()
    return len(rows)


def _add(alike: tuple[Any, ...], total: dict[str, Any]) -> None:
    identity = _identity(alike)
    row, is_new = UsageDay.objects.get_or_create(**identity, defaults=total)
    if not is_new:
        changes = {name: F(name) + value for name, value in total.items()}
        UsageDay.objects.filter(pk=row.pk).update(**changes)


def _identity(alike: tuple[Any, ...]) -> dict[str, Any]:
    values = dict(zip(_ALIKE, alike, strict=True))
    key_id = values.pop("key_id")
    return values | {"key": str(key_id) if key_id else ""}
