"""What a tenant may use: its tier, with the overrides that hold now. Read on every path."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

from tenants.allowance_cache import find_allowance, keep_allowance
from tenants.errors import FeatureNotIncluded
from tenants.limits import Bucket
from tenants.models import TierOverride
from tenants.selectors import get_tenant
from tenants.usage.meter import Caps
from tenants.usage.money import Rates, to_nano
from tenants.usage_models import Budget, LLMPrice

MINUTE: Final = 60


class Feature(StrEnum):
    """Parts of the product that a tier may leave out."""

    BATCHES = "batches"
    SCHEDULES = "schedules"
    INBOUND_WEBHOOKS = "inbound_webhooks"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one tenant; the names are those of the tier's columns. None is unlimited."""

    requests_per_minute: int | None
    requests_per_minute_per_key: int | None
    requests_per_minute_per_session: int | None
    requests_per_session: int | None
    max_concurrent_tasks: int | None
    max_sockets: int | None
    max_sockets_per_user: int | None
    max_agents: int | None
    max_knowledge_megabytes: int | None
    tokens_per_month: int | None
    money_per_month: Decimal | None
    retention_days: int
    claim_priority: int
    features: tuple[str, ...]
    allowed_llms: tuple[str, ...]
    time_zone: str
    #: The tenant's own budget in US dollars, whether tasks pause there, and when it warns.
    budget: Decimal | None
    is_budget_hard: bool
    alert_percent: int
    #: The tenant's own prices, by the name of the LLM.
    prices: Mapping[str, Rates]

    @property
    def money(self) -> Decimal | None:
        """US dollars that may be spent this month: the tier's, or the tenant's own if less."""
        own = self.budget if self.is_budget_hard else None
        known = [limit for limit in (self.money_per_month, own) if limit is not None]
        return min(known, default=None)

    @property
    def has_budget(self) -> bool:
        """Whether there is an amount to warn of, hard or not."""
        return self.money is not None or self.budget is not None

    @property
    def caps(self) -> Caps:
        """Where calls stop."""
        money = self.money
        return Caps(None if money is None else to_nano(money), self.tokens_per_month)

    def has(self, feature: str) -> bool:
        return is_among(feature, self.features)

    def require(self, feature: str) -> None:
        """Raises FeatureNotIncluded."""
        if not self.has(feature):
            raise FeatureNotIncluded(f"The tenant's tier does not include {feature}.")

    def may_ask(self, llm: str) -> bool:
        """Whether agents may use this LLM; a name may end in `*`."""
        return is_among(llm, self.allowed_llms)

    def today(self, now: datetime | None = None) -> date:
        """The day it is where the tenant is."""
        return (now or timezone.now()).astimezone(ZoneInfo(self.time_zone)).date()

    def buckets(self, *, key_id: UUID | None, session_id: str = "") -> Sequence[Bucket]:
        """Of which rates a request takes: the tenant's, its key's, its session's."""
        asked = []
        if self.requests_per_minute is not None:
            asked.append(Bucket("tenant", "", self.requests_per_minute, MINUTE))
        if self.requests_per_minute_per_key is not None and key_id is not None:
            asked.append(Bucket("key", key_id.hex, self.requests_per_minute_per_key, MINUTE))
        if self.requests_per_minute_per_session is not None and session_id:
            limit = self.requests_per_minute_per_session
            asked.append(Bucket("session", session_id, limit, MINUTE))
        return asked


def is_among(name: str, names: Collection[str]) -> bool:
    """Whether a list of a tier holds the name. One that is empty holds all; its names may end in
    `*`.
    """
    return not names or any(fnmatchcase(name, pattern) for pattern in names)


def allowance_of(tenant_id: UUID) -> Allowance:
    """What the tenant may use now; at most a few seconds old. Needs the tenant's scope."""
    known = find_allowance(tenant_id)
    if known is not None:
        return known
    tenant = get_tenant(tenant_id)
    budget = Budget.objects.first() or Budget()
    limits = {name: _frozen(getattr(tenant.tier, name)) for name in LIMITS}
    found = Allowance(
        **(limits | _overrides()),
        time_zone=tenant.time_zone,
        budget=budget.money_per_month,
        is_budget_hard=budget.is_hard,
        alert_percent=budget.alert_percent,
        prices=_prices(),
    )
    keep_allowance(tenant_id, found)
    return found


#: The columns of a tier: the first fields of an allowance.
LIMITS: Final = tuple(field.name for field in fields(Allowance))[:15]


def _prices() -> dict[str, Rates]:
    rows = LLMPrice.objects.values_list("llm", "input_price", "cached_price", "output_price")
    return {
        llm: Rates(paid, paid if cached is None else cached, answered)
        for llm, paid, cached, answered in rows
    }


def _overrides() -> dict[str, Any]:
    holds = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    rows = TierOverride.objects.filter(holds).values_list("limit", "value", "names")
    return {
        limit: tuple(names) if limit in TierOverride.LISTS else value_of(limit, value)
        for limit, value, names in rows
        if value is not None or limit not in TierOverride.BOUNDED
    }


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def value_of(limit: str, value: Decimal | None) -> Decimal | int | None:
    """The value of an override as its limit counts: money in cents, everything else whole."""
    if value is None or limit == TierOverride.Limit.MONEY:
        return value
    # A rate of nothing cannot be counted; blocking a tenant is what `is_active` is for.
    return max(1, int(value)) if limit.startswith("requests") else int(value)
