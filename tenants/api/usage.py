"""What the tenant used and what it cost."""

import csv
import io
from typing import Any, Final

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.endpoint import Endpoint, read_query
from orkesta.api.openapi import problems
from orkesta.errors import Invalid
from orkesta.spreadsheet import safe_cell
from tenants.allowances import Allowance, allowance_of
from tenants.authentication import principal_of
from tenants.principals import Scope
from tenants.usage.money import to_dollars
from tenants.usage.report import GroupBy, Line, read_usage, total_of
from tenants.usage.totals import month_of, read_spent_this_month
from tenants.usage_models import CallKind

MAX_DAYS: Final = 366
CSV: Final = "text/csv"


class UsageQuerySerializer(serializers.Serializer[Any]):
    group_by = serializers.ChoiceField(
        choices=[kind.value for kind in GroupBy], default=GroupBy.DAY, help_text="What is summed."
    )
    first_day = serializers.DateField(
        required=False, help_text="The first day; the first of the month when missing."
    )
    last_day = serializers.DateField(
        required=False, help_text="The last day, included; today when missing."
    )
    kind = serializers.ChoiceField(
        choices=CallKind.values, required=False, help_text="Only calls of this kind."
    )
    agent = serializers.CharField(
        required=False, max_length=63, help_text="Only this agent's calls."
    )
    llm = serializers.CharField(required=False, max_length=100, help_text="Only calls of this LLM.")
    format = serializers.ChoiceField(
        choices=["json", "csv"],
        required=False,
        help_text="`csv`, or `Accept: text/csv`, for spreadsheets.",
    )


class UsageLineSerializer(serializers.Serializer[Any]):
    group = serializers.CharField(
        help_text="Day, slug, LLM (or tool) or id; empty for the supervisor, or for no key."
    )
    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField(help_text="Part of `input_tokens`.")
    output_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(
        max_digits=20, decimal_places=9, help_text="US dollars, exact to a billionth."
    )
    estimated_calls = serializers.IntegerField(
        help_text="Calls whose tokens the provider did not count."
    )
    unknown_price_calls = serializers.IntegerField(
        help_text="Calls whose price nobody knows; `cost` assumes one for them, never zero."
    )


class BudgetSerializer(serializers.Serializer[Any]):
    limit = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    spent = serializers.DecimalField(max_digits=20, decimal_places=9)
    tokens_limit = serializers.IntegerField(allow_null=True)
    tokens_spent = serializers.IntegerField()


class UsageSerializer(serializers.Serializer[Any]):
    group_by = serializers.CharField()
    first_day = serializers.DateField()
    last_day = serializers.DateField()
    currency = serializers.CharField()
    items = UsageLineSerializer(many=True)
    total = UsageLineSerializer()
    budget = BudgetSerializer(help_text="Of this month, whatever days were asked for.")


class UsageView(Endpoint):
    required_scopes = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="usage_get",
        summary="Tell what was used and what it cost",
        description="Sums over days where the tenant is. Days come in order, other groups dearest "
        "first; of sessions at most 1,000.",
        tags=["usage"],
        parameters=[
            UsageQuerySerializer,
            OpenApiParameter("Accept", str, OpenApiParameter.HEADER, description="`text/csv`"),
        ],
        responses={200: UsageSerializer, (200, CSV): OpenApiTypes.STR} | problems(422),
        examples=[
            OpenApiExample(
                "a day",
                response_only=True,
                status_codes=["200"],
                media_type="application/json",
                value={
                    "group_by": "day",
                    "first_day": "2026-11-01",
                    "last_day": "2026-11-21",
                    "currency": "USD",
                    "items": [
                        {
                            "group": "2026-11-20",
                            "calls": 2,
                            "input_tokens": 812,
                            "cached_tokens": 0,
                            "output_tokens": 240,
                            "cost": "0.000683000",
                            "estimated_calls": 0,
                            "unknown_price_calls": 0,
                        }
                    ],
                },
            )
        ],
    )
    def get(self, request: Request) -> HttpResponseBase:
        asked = read_query(UsageQuerySerializer, request)
        tenant_id = principal_of(request).tenant_id
        allowance = allowance_of(tenant_id)
        last = asked.get("last_day") or allowance.today()
        first = asked.get("first_day") or month_of(last)
        if not 0 <= (last - first).days < MAX_DAYS:
            detail = f"From 1 to {MAX_DAYS} days, the first before the last."
            raise Invalid(errors=[{"pointer": "?first_day", "code": "invalid", "detail": detail}])
        by = GroupBy(asked["group_by"])
        columns = {"kind": "kind", "agent": "agent_slug", "llm": "llm"}
        filters = {columns[name]: asked[name] for name in columns if name in asked}
        lines = read_usage(by, first, last, **filters)
        wants_csv = CSV in request.headers.get("Accept", "") and "format" not in asked
        if wants_csv or asked.get("format") == "csv":
            return _as_csv(by, lines)
        return Response(
            {
                "group_by": by,
                "first_day": first,
                "last_day": last,
                "currency": "USD",
                "items": [_as_dict(line) for line in lines],
                "total": _as_dict(total_of(lines)),
                "budget": _budget(allowance, tenant_id),
            }
        )


def _as_dict(line: Line) -> dict[str, Any]:
    return {
        "group": line.group,
        "calls": line.calls,
        "input_tokens": line.input_tokens,
        "cached_tokens": line.cached_tokens,
        "output_tokens": line.output_tokens,
        "cost": f"{to_dollars(line.cost_nano):f}",
        "estimated_calls": line.estimated_calls,
        "unknown_price_calls": line.unknown_price_calls,
    }


def _budget(allowance: Allowance, tenant_id: Any) -> dict[str, Any]:
    spent = read_spent_this_month(tenant_id)
    return {
        "limit": allowance.money,
        "spent": f"{to_dollars(spent.nano):f}",
        "tokens_limit": allowance.tokens_per_month,
        "tokens_spent": spent.tokens,
    }


def _as_csv(by: GroupBy, lines: list[Line]) -> HttpResponse:
    text = io.StringIO()
    writer = csv.writer(text)
    rows = [_as_dict(line) for line in lines]
    writer.writerow([by.value, *list(_as_dict(Line()))[1:]])
    for row in rows:
        group = row.pop("group")
        writer.writerow([safe_cell(group), *row.values()])
    response = HttpResponse(text.getvalue(), content_type=f"{CSV}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="usage-by-{by.value}.csv"'
    return response
