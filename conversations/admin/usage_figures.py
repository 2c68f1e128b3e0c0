"""The figures of the usage page: a few queries on sums of days, whatever the size of the tenant."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson
from django.utils.formats import number_format

from routing.models import Agent
from tenants.admin.money import dollars
from tenants.allowances import Allowance
from tenants.usage.money import to_dollars, to_nano
from tenants.usage.report import GroupBy, Line, read_usage, total_of
from tenants.usage.totals import month_of
from tenants.usage_models import CallKind

CHART_DAYS: Final = 30
MAX_ROWS: Final = 12


@dataclass(frozen=True, slots=True)
class Row:
    """What one agent or LLM used this month."""

    name: str
    calls: int
    tokens: str
    cost: str
    share: int
    is_assumed: bool


@dataclass(frozen=True, slots=True)
class Month:
    """This month so far. `percent` is of the budget, None without one; `width` is for a bar."""

    spent_nano: int
    spent: str
    forecast: str
    forecast_is_over: bool
    budget: str
    percent: int | None
    width: int
    tone: str
    tokens: str
    tokens_limit: str
    calls: int
    unknown_calls: int
    estimated_calls: int


def read_month(allowance: Allowance) -> Month:
    """This month's spending against its budget."""
    today = allowance.today()
    total = total_of(read_usage(GroupBy.LLM, month_of(today), today))
    forecast = forecast_of(total.cost_nano, today)
    limits = [limit for limit in (allowance.money, allowance.budget) if limit is not None]
    budget = min(limits, default=None)
    percent = percent_of(total.cost_nano, budget)
    return Month(
        spent_nano=total.cost_nano,
        spent=dollars(total.cost_nano),
        forecast=dollars(forecast),
        forecast_is_over=budget is not None and forecast > to_nano(budget),
        budget="" if budget is None else f"US$ {number_format(budget, 2, force_grouping=True)}",
        percent=percent,
        width=min(100, percent or 0),
        tone=_tone(percent, allowance.alert_percent),
        tokens=number_format(total.tokens, force_grouping=True),
        tokens_limit=(
            ""
            if allowance.tokens_per_month is None
            else number_format(allowance.tokens_per_month, force_grouping=True)
        ),
        calls=total.calls,
        unknown_calls=total.unknown_price_calls,
        estimated_calls=total.estimated_calls,
    )


def forecast_of(spent_nano: int, today: date) -> int:
    """What the month will have cost, if it goes on as it has until today."""
    num_days = monthrange(today.year, today.month)[1]
    return spent_nano * num_days // today.day


def percent_of(spent_nano: int, budget: Decimal | None) -> int | None:
    if budget is None:
        return None
    limit = to_nano(budget)
    return 100 if limit == 0 else spent_nano * 100 // limit


def read_chart(today: date) -> str:
    """Cost per day of the last month, as Chart.js wants it."""
    first = today - timedelta(days=CHART_DAYS - 1)
    by_day = {line.group: line.cost_nano for line in read_usage(GroupBy.DAY, first, today)}
    days = [first + timedelta(days=number) for number in range(CHART_DAYS)]
    values = [float(to_dollars(by_day.get(day.isoformat(), 0))) for day in days]
    series = {"label": "US$", "data": values, "backgroundColor": "var(--color-primary-500)"}
    labels = [f"{day:%d/%m}" for day in days]
    return orjson.dumps({"labels": labels, "datasets": [series]}).decode()


def read_agents(today: date, supervisor: str) -> list[Row]:
    names = dict(Agent.objects.values_list("slug", "name"))
    lines = read_usage(GroupBy.AGENT, month_of(today), today)
    return _rows(lines, {**names, "": supervisor})


def read_llms(today: date) -> list[Row]:
    return _rows(read_usage(GroupBy.LLM, month_of(today), today, kind=CallKind.LLM), {})


def _rows(lines: Sequence[Line], names: Mapping[str, str]) -> list[Row]:
    most: Any = max((line.cost_nano for line in lines), default=0) or 1
    return [
        Row(
            name=names.get(line.group, line.group),
            calls=line.calls,
            tokens=number_format(line.tokens, force_grouping=True),
            cost=dollars(line.cost_nano),
            share=100 * line.cost_nano // most,
            is_assumed=line.unknown_price_calls > 0,
        )
        for line in lines[:MAX_ROWS]
    ]


def _tone(percent: int | None, alert_percent: int) -> str:
    if percent is None or percent < alert_percent:
        return "good"
    return "warning" if percent < 100 else "danger"
