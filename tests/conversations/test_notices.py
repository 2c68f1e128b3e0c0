"""What tenants' webhooks hear of money and keys."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from conversations.services.budget import set_budget
from conversations.triggers.ticker import ScheduleTicker
from tenants.key_expiry import find_expiring, tell_of_expiry
from tenants.models import ApiKey
from tenants.scope import tenant_scope
from tenants.services import issue_api_key, revoke_api_key
from tenants.usage.alerts import warn_of_budget
from tests.callers import Caller, make_key
from tests.cast import House
from tests.conversations.triggers import deliveries_of, make_endpoint
from tests.tenants.usage.rows import use

NOTICES = ["budget.alert", "key.leaked", "key.expiring"]


def told(house: House) -> list[dict[str, Any]]:
    return [json.loads(delivery.body) for delivery in deliveries_of(house)]


def warned(house: House) -> bool:
    with tenant_scope(house.id):
        return warn_of_budget(house.id)


def budget(house: House, dollars: Decimal) -> None:
    with tenant_scope(house.id):
        set_budget(tenant_id=house.id, dollars=dollars, is_hard=True, alert_percent=80)


@pytest.mark.django_db
def test_a_budget_alerts_once_a_month_and_threshold(acme: House, rival: House) -> None:
    for house in (acme, rival):
        make_endpoint(house, event_types=NOTICES)
    budget(acme, Decimal(1))
    use(acme.tenant, cost_nano=799_000_000)
    assert not warned(acme)
    use(acme.tenant, cost_nano=2_000_000)
    assert [warned(acme), warned(acme)] == [True, False]
    use(acme.tenant, cost_nano=300_000_000)
    assert [warned(acme), warned(acme)] == [True, False]
    found = [body["data"] for body in told(acme)]
    assert [(each["percent"], each["spent"], each["pauses"]) for each in found] == [
        (80, "0.80", True),
        (100, "1.10", True),
    ]
    assert {body["type"] for body in told(acme)} == {"budget.alert"}
    budget(acme, Decimal(10))
    use(acme.tenant, cost_nano=8_000_000_000)
    assert warned(acme), "a raised one is worth a warning of its own"
    assert told(rival) == []


@pytest.mark.django_db
def test_a_leaked_key_is_told_once(acme: House) -> None:
    make_endpoint(acme, event_types=NOTICES)
    key = make_key(acme.tenant)
    for _ in range(2):
        assert Caller(None).post("/api/v1/keys/leaked", {"key": key}).status_code == 202
    [body] = told(acme)
    assert (body["type"], body["data"]["name"]) == ("key.leaked", "test")
    assert body["data"]["revoked_at"] is not None
    assert key not in json.dumps(body)


def ending_in(house: House, hours: float) -> ApiKey:
    with tenant_scope(house.id):
        at = timezone.now() + timedelta(hours=hours)
        return issue_api_key(
            tenant=house.tenant, name=f"in {hours}", scopes=["chat:write"], expires_at=at
        )[0]


@pytest.mark.django_db
def test_a_key_is_told_of_a_day_before_it_expires_once_for_each_end(acme: House) -> None:
    make_endpoint(acme, event_types=NOTICES)
    soon, _, revoked = ending_in(acme, 23), ending_in(acme, 25), ending_in(acme, 1)
    with tenant_scope(acme.id):
        revoke_api_key(key=revoked)
    assert find_expiring() == [(acme.id, soon.pk)]
    with tenant_scope(acme.id):
        assert [tell_of_expiry(soon.pk), tell_of_expiry(soon.pk)] == [True, False]
        assert find_expiring() == []
        ApiKey.objects.filter(pk=soon.pk).update(expires_at=timezone.now() + timedelta(hours=2))
    assert find_expiring() == [(acme.id, soon.pk)]
    [body] = told(acme)
    assert (body["type"], body["data"]["key_id"]) == ("key.expiring", str(soon.pk))


@pytest.mark.django_db(transaction=True)
async def test_workers_tell_of_keys_that_are_about_to_expire(acme: House) -> None:
    await sync_to_async(make_endpoint)(acme, event_types=NOTICES)
    key = await sync_to_async(ending_in)(acme, 3)
    await ScheduleTicker().run_once()
    [body] = await sync_to_async(told)(acme)
    assert body["data"]["shown"] == key.shown
