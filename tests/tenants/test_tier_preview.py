from typing import Any

import pytest
from django.utils import timezone

from conversations.models import Batch, Message, Session
from conversations.trigger_models import Schedule
from routing.models import Agent, LLMEndpoint
from tenants.models import ApiKey, Tier, TierOverride
from tenants.scope import tenant_scope
from tenants.tier_preview import find_above
from tests.admin import Desk, make_superuser, make_turn, superuser_in
from tests.callers import make_key
from tests.cast import House, make_tier
from tests.tenants.test_admin_tiers import form_of

HEADLINE = "1 tenant is above the new limit and would be blocked today"


def above(house: House, **limits: Any) -> list[tuple[Any, Any]]:
    return [(row.used, row.allowed) for row in find_above(house.tenant, limits)]


def test_a_shorter_retention_says_how_old_the_oldest_conversation_is(acme: House) -> None:
    make_turn(acme.tenant)
    assert above(acme, retention_days=1) == []
    ended = timezone.now() - timezone.timedelta(days=40)
    with tenant_scope(acme.id):
        Session.objects.update(status="closed", last_activity_at=ended)
    assert above(acme, retention_days=30) == [(40, 30)]
    assert above(acme, retention_days=40) == []


def test_a_feature_that_is_taken_away_is_shown_where_it_is_in_use(acme: House) -> None:
    with tenant_scope(acme.id):
        Schedule.objects.create(name="n", cron="0 9 * * *", time_zone="UTC", message="hola")
        Batch.objects.create(num_requests=1, num_unfinished=0)
    assert above(acme, features=["webhooks"]) == [("batches, schedules", "webhooks")]
    assert above(acme, features=["schedules", "batches"]) == above(acme, features=[]) == []
    with tenant_scope(acme.id):
        Schedule.objects.update(is_active=False)
        Batch.objects.update(created_at=timezone.now() - timezone.timedelta(days=31))
    assert above(acme, features=["webhooks"]) == []


def test_llms_that_agents_speak_with_are_shown_when_they_are_not_allowed_any_more(
    acme: House,
) -> None:
    with tenant_scope(acme.id):
        spare = LLMEndpoint.objects.create(name="Spare", llm="spare-1")
        LLMEndpoint.objects.create(name="Unused", llm="nobody-asks")
        LLMEndpoint.objects.filter(is_default=True).update(fallback=spare, llm="fake-1")
        Agent.objects.filter(slug="sales").update(llm="gpt-5-mini")
    assert above(acme, allowed_llms=["fake-*"]) == [("gpt-5-mini, spare-1", "fake-*")]
    assert above(acme, allowed_llms=["fake-1", "spare-1", "gpt-5*"]) == []
    with tenant_scope(acme.id):
        Agent.objects.filter(slug="sales").update(is_active=False)
    assert above(acme, allowed_llms=["fake-*"]) == [("spare-1", "fake-*")]


def test_rates_of_one_key_and_of_one_session_are_those_of_the_busiest(acme: House) -> None:
    make_key(acme.tenant)
    now = timezone.now().replace(second=5)
    for number in range(3):
        task = make_turn(acme.tenant, user_ref=f"c-{number}")
        with tenant_scope(acme.id):
            key = ApiKey.objects.get() if number else None
            Session.objects.filter(pk=task.session_id).update(opened_by=key)
    with tenant_scope(acme.id):
        Message.objects.update(created_at=now)
    assert above(acme, requests_per_minute=2) == [(3, 2)]
    assert above(acme, requests_per_minute_per_key=1) == [(2, 1)]
    assert above(acme, requests_per_minute_per_session=1) == []


def test_every_limit_that_can_block_somebody_has_a_gauge(acme: House, settings: Any) -> None:
    # Nothing counts as knowledge yet, and a small share of the workers blocks nobody.
    without = {"max_knowledge_megabytes", "claim_priority"}
    assert set(TierOverride.Limit.values) - set(settings.ORKESTA_GAUGES) == without


@pytest.mark.parametrize("confirmed", [False, True])
def test_going_to_a_tier_that_allows_less_is_shown_first(acme: House, confirmed: bool) -> None:
    small, tenant, desk = make_tier(slug="small", max_agents=1), acme.tenant, Desk(make_superuser())
    form = {"name": "Acme", "tier": str(small.pk), "is_active": "on"}
    form |= {"language": "es", "time_zone": "UTC", "business_context": ""}
    sure = {"_confirmed": "1"} if confirmed else {}
    page = desk.post("tenants_tenant_change", tenant.pk, **form, **sure)
    assert (HEADLINE in page.content.decode()) is not confirmed
    tenant.refresh_from_db()
    assert (tenant.tier_id == small.pk) is confirmed


def test_an_override_that_would_block_today_is_shown_first(acme: House) -> None:
    desk = superuser_in(acme)
    form = {"limit": "max_agents", "value": "1", "reason": "owes us money", "expires_at_0": ""}
    assert HEADLINE in desk.post("tenants_tieroverride_add", **form).content.decode()
    with tenant_scope(acme.id):
        assert not TierOverride.objects.exists()
    assert desk.post("tenants_tieroverride_add", **form, _confirmed="1").status_code == 302
    row = overrides(acme)["max_agents"]
    # It is above this limit already, and stays so.
    page = desk.post("tenants_tieroverride_change", row.pk, **form | {"value": "0"})
    assert HEADLINE in page.content.decode()


def overrides(house: House) -> dict[str, TierOverride]:
    with tenant_scope(house.id):
        return {row.limit: row for row in TierOverride.objects.all()}


def test_a_restored_tier_is_shown_to_whom_it_would_block_first(acme: House) -> None:
    desk, tier = Desk(make_superuser()), acme.tenant.tier
    desk.post("tenants_tier_change", tier.pk, **form_of(tier, max_agents=1), _confirmed="1")
    desk.post("tenants_tier_change", tier.pk, **form_of(tier))
    first = tier.history.get(max_agents=1)
    form = form_of(tier, max_agents=1)
    page = desk.post("tenants_tier_version", tier.pk, first.pk, **form)
    assert HEADLINE in page.content.decode()
    assert Tier.objects.get(pk=tier.pk).max_agents is None
    desk.post("tenants_tier_version", tier.pk, first.pk, **form, _confirmed="1")
    assert Tier.objects.get(pk=tier.pk).max_agents == 1
