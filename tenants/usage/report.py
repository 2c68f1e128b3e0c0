"""Who used what: sums by day, agent, LLM, session or key, over some days."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from django.db.models import Case, Count, F, IntegerField, QuerySet, Sum, Value, When

from tenants.usage_models import PriceSource, UsageDay, UsageRecord

#: Sessions are the one kind of group of which there are many; the dearest are told.
MAX_GROUPS: Final = 1000


class GroupBy(StrEnum):
    DAY = "day"
    AGENT = "agent"
    LLM = "llm"
    SESSION = "session"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Line:
    """What one group used. `cost_nano` includes calls of unknown price, at the assumed one."""

    group: str = ""
    calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    estimated_calls: int = 0
    unknown_price_calls: int = 0
    duration_ms: float = 0.0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def plus(self, other: "Line") -> "Line":
        return Line(self.group, *(getattr(self, n) + getattr(other, n) for n in _NUMBERS))


_NUMBERS: Final = (
    "calls",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_nano",
    "estimated_calls",
    "unknown_price_calls",
    "duration_ms",
)
_OF_DAYS: Final = {
    GroupBy.DAY: "day",
    GroupBy.AGENT: "agent_slug",
    GroupBy.LLM: "llm",
    GroupBy.KEY: "key",
}
_OF_RECORDS: Final = {**_OF_DAYS, GroupBy.KEY: "key_id", GroupBy.SESSION: "session_id"}


def read_usage(by: GroupBy, first: date, last: date, **filters: Any) -> list[Line]:
    """The groups of these days, both included: days in order, everything else dearest first.
    `filters` are columns of UsageDay: kind, agent_slug, llm. Needs the tenant's scope.
    """
    within = {"day__gte": first, "day__lte": last, **filters}
    records = UsageRecord.objects.filter(**within)
    if by is GroupBy.SESSION:
        found = [_sums(records, _OF_RECORDS[by], calls=Count("pk"), one=Value(1))]
    else:
        counted = UsageDay.objects.filter(**within)
        days = _sums(counted, _OF_DAYS[by], calls=Sum("num_calls"), one=F("num_calls"))
        rest = records.filter(is_counted=False)
        last_minute = _sums(rest, _OF_RECORDS[by], calls=Count("pk"), one=Value(1))
        # In one query, unless their columns are not of one type.
        is_one = by is not GroupBy.KEY
        found = [days.union(last_minute, all=True)] if is_one else [days, last_minute]
    merged = _merged(_line(row) for rows in found for row in rows)
    if by is GroupBy.DAY:
        return sorted(merged, key=lambda line: line.group)
    return sorted(merged, key=lambda line: (-line.cost_nano, -line.calls, line.group))[:MAX_GROUPS]


def total_of(lines: Iterable[Line]) -> Line:
    total = Line()
    for line in lines:
        total = total.plus(line)
    return total


def _sums(rows: QuerySet[Any], column: str, *, calls: Any, one: Any) -> QuerySet[Any, Any]:
    found: QuerySet[Any, Any] = (
        rows.order_by()
        .values(group=F(column))
        .annotate(
            calls=calls,
            sum_input=Sum("input_tokens"),
            sum_cached=Sum("cached_tokens"),
            sum_output=Sum("output_tokens"),
            sum_cost=Sum("cost_nano"),
            estimated=Sum(_if(one, is_estimated=True)),
            unknown=Sum(_if(one, price_source=PriceSource.UNKNOWN)),
            sum_duration=Sum("duration_ms"),
        )
    )
    return found


def _if(one: Any, **condition: Any) -> Case:
    return Case(When(**condition, then=one), default=Value(0), output_field=IntegerField())


def _line(row: Mapping[str, Any]) -> Line:
    group = row["group"]
    return Line(
        group="" if group is None else str(group),
        calls=row["calls"],
        input_tokens=int(row["sum_input"]),
        cached_tokens=int(row["sum_cached"]),
        output_tokens=int(row["sum_output"]),
        cost_nano=int(row["sum_cost"]),
        estimated_calls=row["estimated"],
        unknown_price_calls=row["unknown"],
        duration_ms=row["sum_duration"],
    )


def _merged(lines: Iterable[Line]) -> list[Line]:
    by_group: dict[str, Line] = {}
    for line in lines:
        known = by_group.get(line.group)
        by_group[line.group] = line if known is None else known.plus(line)
    return list(by_group.values())
