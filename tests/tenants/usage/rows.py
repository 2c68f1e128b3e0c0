"""Usage for tests, as the engine would have written it."""

from datetime import date
from typing import Any
from uuid import UUID

from django.utils import timezone

from tenants.models import Tenant
from tenants.scope import tenant_scope
from tenants.usage_models import UsageRecord

TODAY = date(2026, 11, 21)


def use(tenant: Tenant, **values: Any) -> UsageRecord:
    """One call: 100 tokens in, 10 out, a thousandth of a dollar."""
    values = {
        "kind": "llm",
        "llm": "gpt-5-mini",
        "agent_slug": "sales",
        "input_tokens": 100,
        "output_tokens": 10,
        "cost_nano": 1_000_000,
        "price_source": "catalogue",
        "day": timezone.now().date(),
        "duration_ms": 500.0,
    } | values
    with tenant_scope(tenant.id):
        return UsageRecord.objects.create(**values)


def some_id(number: int) -> UUID:
    return UUID(int=number)
