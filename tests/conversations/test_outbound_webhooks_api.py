from typing import Any

import pytest
from django.utils import timezone

from conversations.trigger_models import DeliveryTry, WebhookDelivery
from tenants.models import IdempotencyRecord
from tenants.scope import scopes_disabled, tenant_scope
from tests.callers import Caller, assert_problem
from tests.cast import House
from tests.conversations.triggers import SENDERS_SECRET, make_delivery, make_endpoint

ENDPOINTS = "/api/v1/webhook-endpoints"
INBOUND = "/api/v1/inbound-webhooks"
SHOP = {
    "name": "Shop",
    "url": "https://shop.example/orkesta",
    "event_types": ["task.completed"],
}
ORDERS = {"name": "Orders", "message_template": "New order {{ body.order.id }}"}


def test_an_endpoint_is_made_changed_rotated_and_deleted(acme_api: Caller) -> None:
    made = acme_api.post(ENDPOINTS, SHOP)
    assert made.status_code == 201
    secret, place = made.json()["signing_secret"], made["Location"]
    assert secret.startswith("whsec_")
    shown = acme_api.get(place).json()
    assert "signing_secret" not in shown
    assert shown | {"signing_secret": secret} == made.json()
    assert acme_api.get(ENDPOINTS).json()["items"] == [shown]
    changed = acme_api.request("PATCH", place, {"event_types": ["task.failed"]}).json()
    assert (changed["event_types"], changed["url"]) == (["task.failed"], shown["url"])
    rotated = acme_api.post(f"{place}/rotate-secret").json()
    assert rotated["signing_secret"] != secret
    assert rotated["previous_secret_until"] is not None
    assert acme_api.request("DELETE", place).status_code == 204
    assert_problem(acme_api.get(place), 404, "not_found")


def test_a_repeated_creation_shows_the_same_secret_which_no_table_holds(
    acme: House, acme_api: Caller
) -> None:
    for path, body in ((ENDPOINTS, SHOP), (INBOUND, ORDERS)):
        one, two = (acme_api.post(path, body, **{"Idempotency-Key": path}) for _ in range(2))
        assert one.json() == two.json()
        assert len(acme_api.get(path).json()["items"]) == 1
        with tenant_scope(acme.id):
            record = IdempotencyRecord.objects.get(key=path)
        assert one.json()["signing_secret"].removeprefix("whsec_") not in record.body


@pytest.mark.parametrize(
    ("path", "good", "change", "pointer"),
    [
        (ENDPOINTS, SHOP, {"url": "http://10.0.0.1/"}, "/url"),
        (ENDPOINTS, SHOP, {"url": "https://shop.example:22/"}, "/url"),
        (ENDPOINTS, SHOP, {"event_types": []}, "/event_types"),
        (ENDPOINTS, SHOP, {"event_types": ["task.exploded"]}, "/event_types/0"),
        (ENDPOINTS, SHOP, {"name": ""}, "/name"),
        (INBOUND, ORDERS, {"message_template": "{{ tenant.key }}"}, "/message_template"),
        (INBOUND, ORDERS, {"message_template": "{% for %}"}, "/message_template"),
        (INBOUND, ORDERS, {"signing_secret": "short"}, "/signing_secret"),
        (INBOUND, ORDERS, {"signing_secret": "whsec_AAAA"}, "/signing_secret"),
    ],
)
def test_it_says_what_is_wrong_and_where(
    acme_api: Caller, path: str, good: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    place = acme_api.post(path, good)["Location"]
    for response in (
        acme_api.post(path, good | change),
        acme_api.request("PATCH", place, change),
    ):
        assert response.status_code == 422, response.content
        assert [fault["pointer"] for fault in response.json()["errors"]] == [pointer]


def test_an_inbound_webhook_is_made_changed_and_deleted(acme_api: Caller) -> None:
    made = acme_api.post(INBOUND, ORDERS | {"agent": "sales", "signing_secret": SENDERS_SECRET})
    shown, place = made.json(), made["Location"]
    assert made.status_code == 201
    assert shown["path"].startswith("/hooks/whk_")
    assert shown["path"].endswith(shown["address_ends_in"])
    again = acme_api.get(place).json()
    assert {"path", "signing_secret"} & set(again) == set()
    changed = acme_api.request("PATCH", place, {"is_active": False, "name": "Off"}).json()
    assert (changed["is_active"], changed["name"], changed["agent"]) == (False, "Off", "sales")
    assert acme_api.request("DELETE", place).status_code == 204
    assert_problem(acme_api.get(place), 404, "not_found")


def test_deliveries_are_listed_shown_and_replayed(acme: House, acme_api: Caller) -> None:
    endpoint, _ = make_endpoint(acme)
    values = {
        "status": "failed",
        "settled_at": timezone.now(),
        "next_try_at": None,
        "num_tries": 10,
    }
    failed = make_delivery(endpoint, **values)
    with tenant_scope(acme.id):
        DeliveryTry.objects.create(
            delivery=failed, attempt=1, response_status=500, duration_ms=3.5, response_excerpt="no"
        )
    make_delivery(endpoint)
    place = f"{ENDPOINTS}/{endpoint.pk}/deliveries"
    assert len(acme_api.get(place).json()["items"]) == 2
    [item] = acme_api.get(f"{place}?status=failed").json()["items"]
    assert (item["delivery_id"], item["webhook_id"]) == (str(failed.pk), failed.webhook_id)
    shown = acme_api.get(f"/api/v1/webhook-deliveries/{failed.pk}").json()
    assert shown["body"] == failed.body
    assert shown["tries"][0]["response_status"] == 500
    replayed = acme_api.post(f"/api/v1/webhook-deliveries/{failed.pk}/replay")
    assert (replayed.status_code, replayed.json()["status"]) == (202, "pending")
    with scopes_disabled():
        assert WebhookDelivery.objects.get(pk=failed.pk).num_tries == 0
    acme_api.request("PATCH", f"{ENDPOINTS}/{endpoint.pk}", {"is_active": False})
    refused = acme_api.post(f"/api/v1/webhook-deliveries/{failed.pk}/replay")
    assert_problem(refused, 409, "state_conflict")
