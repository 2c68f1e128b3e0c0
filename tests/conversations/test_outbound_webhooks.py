import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversations.engine import claims, store
from conversations.engine.actions import Finish, GiveUp
from conversations.engine.claims import Claim
from conversations.engine.loading import load
from conversations.engine.state import StepRecord
from conversations.services import cancel_task, pause_task
from conversations.services.batches import BatchRequest, post_batch
from conversations.states import StepKind, StepStatus
from conversations.trigger_models import WebhookEndpoint
from conversations.triggers.endpoints import (
    delete_endpoint,
    edit_endpoint,
    rotate_secret,
    signing_secrets,
)
from tenants.scope import scopes_disabled, tenant_scope
from tests.cast import House
from tests.conversations.triggers import deliveries_of, make_endpoint
from tests.engine import post, principal_of

pytestmark = pytest.mark.django_db


def finish_one(house: House, ending: Any = None) -> Claim:
    """Claim the next task and end it, as the runner would; its tenant's snapshot is fresh."""
    [claim] = claims.claim_tasks(worker="one", limit=1)
    with tenant_scope(house.id):
        load(claim)
        step = StepRecord(1, StepKind.MODEL, StepStatus.SUCCEEDED, "desk", output={"text": "ok"})
        store.record(claim, step, then=ending or Finish("¡Listo!", "desk"), is_first=True)
    return claim


def test_a_completed_task_is_announced_with_its_answer(acme: House) -> None:
    endpoint, _ = make_endpoint(acme)
    task = post(acme, "hola").task
    finish_one(acme)
    [delivery] = deliveries_of(acme)
    body = json.loads(delivery.body)
    assert (delivery.endpoint_id, delivery.status) == (endpoint.pk, "pending")
    assert body["type"] == delivery.event_type == "task.completed"
    assert body["timestamp"].endswith("Z")
    assert body["data"]["task_id"] == str(task.pk)
    assert body["data"]["session_id"] == str(task.session_id)
    assert body["data"]["result"]["content"] == "¡Listo!"
    assert body["data"]["error"] is None


def test_a_tier_that_includes_no_webhooks_any_more_has_nothing_sent(acme: House) -> None:
    make_endpoint(acme)
    acme.tenant.tier.features = ["batches"]
    acme.tenant.tier.save()
    post(acme, "hola")
    finish_one(acme)
    assert deliveries_of(acme) == []


def test_a_failed_task_is_announced_with_its_error(acme: House) -> None:
    make_endpoint(acme)
    post(acme, "hola")
    finish_one(acme, GiveUp("upstream_error", "The LLM is down."))
    [delivery] = deliveries_of(acme)
    data = json.loads(delivery.body)["data"]
    assert delivery.event_type == "task.failed"
    assert (data["error"]["code"], data["error"]["detail"]) == (
        "upstream_error",
        "The LLM is down.",
    )
    assert data["result"] is None


def test_what_people_do_to_a_task_is_announced_at_once(acme: House) -> None:
    make_endpoint(acme, event_types=["task.paused", "task.cancelled"])
    first, second = post(acme, "uno").task, post(acme, "dos").task
    with tenant_scope(acme.id):
        cancel_task(task_id=first.pk)
        pause_task(task_id=second.pk)
    assert [d.event_type for d in deliveries_of(acme)] == ["task.cancelled", "task.paused"]


def test_each_endpoint_hears_what_it_wants_to(acme: House, rival: House) -> None:
    make_endpoint(acme, name="all")
    make_endpoint(acme, name="failures", event_types=["task.failed"])
    make_endpoint(acme, name="off", is_active=False)
    make_endpoint(rival)
    post(acme, "hola")
    finish_one(acme)
    assert [d.endpoint.name for d in deliveries_of(acme)] == ["all"]
    assert deliveries_of(rival) == []


def test_a_rolled_back_event_is_not_announced(acme: House) -> None:
    make_endpoint(acme)
    task = post(acme, "hola").task
    with pytest.raises(RuntimeError), tenant_scope(acme.id):
        _cancel_and_fail(task.pk)
    assert deliveries_of(acme) == []


def _cancel_and_fail(task_id: Any) -> None:
    with transaction.atomic():
        cancel_task(task_id=task_id)
        raise RuntimeError


def test_endpoints_made_changed_and_deleted_meanwhile_count_for_the_next_task(acme: House) -> None:
    post(acme, "uno")
    finish_one(acme)
    endpoint, _ = make_endpoint(acme)
    post(acme, "dos")
    finish_one(acme)
    assert len(deliveries_of(acme)) == 1
    with tenant_scope(acme.id):
        edit_endpoint(endpoint_id=endpoint.pk, changes={"event_types": ["task.failed"]})
    post(acme, "tres")
    finish_one(acme)
    assert len(deliveries_of(acme)) == 1
    with tenant_scope(acme.id):
        delete_endpoint(endpoint_id=endpoint.pk)
    post(acme, "cuatro")
    finish_one(acme, GiveUp("upstream_error", "down"))
    assert deliveries_of(acme) == []


def num_queries_of_a_turn(house: House) -> int:
    post(house, "hola")
    with CaptureQueriesContext(connection) as queries:
        finish_one(house)
    return len(queries)


def test_a_tenant_without_webhooks_pays_nothing(acme: House, rival: House) -> None:
    num_queries_of_a_turn(acme)
    without = num_queries_of_a_turn(acme)
    make_endpoint(rival)
    num_queries_of_a_turn(rival)
    make_endpoint(acme, event_types=["task.failed"])
    num_queries_of_a_turn(acme)
    assert num_queries_of_a_turn(acme) == without
    # One to read the endpoints, one to write their deliveries.
    assert num_queries_of_a_turn(rival) == without + 2


def test_the_end_of_a_batch_is_announced_once(acme: House) -> None:
    make_endpoint(acme, event_types=["batch.finished"])
    with tenant_scope(acme.id):
        requests = [BatchRequest("uno"), BatchRequest("dos")]
        batch = post_batch(principal=principal_of(acme), requests=requests)
    finish_one(acme)
    assert deliveries_of(acme) == []
    finish_one(acme)
    [delivery] = deliveries_of(acme)
    assert json.loads(delivery.body)["data"] == {"batch_id": str(batch.pk), "num_requests": 2}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://[::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "https://localhost/",
        "https://shop.example:8443/",
        "https://user:pass@shop.example/",
        "ftp://shop.example/",
        "shop.example",
        "",
    ],
)
def test_an_address_that_leads_inside_is_refused_when_it_is_saved(acme: House, url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make_endpoint(acme, url=url)
    assert "url" in refused.value.message_dict
    endpoint, _ = make_endpoint(acme)
    with pytest.raises(ValidationError), tenant_scope(acme.id):
        edit_endpoint(endpoint_id=endpoint.pk, changes={"url": url})


@pytest.mark.parametrize("types", [[], ["task.exploded"], "task.failed", [1], {"a": 1}, None])
def test_events_are_those_that_there_are(acme: House, types: Any) -> None:
    with pytest.raises(ValidationError):
        make_endpoint(acme, event_types=types)


def test_for_a_day_after_a_rotation_two_secrets_sign(acme: House) -> None:
    endpoint, first = make_endpoint(acme)
    with tenant_scope(acme.id):
        endpoint, second = rotate_secret(endpoint_id=endpoint.pk)
        assert [s.reveal() for s in signing_secrets(endpoint)] == [second, first]
        endpoint, third = rotate_secret(endpoint_id=endpoint.pk)
        assert [s.reveal() for s in signing_secrets(endpoint)] == [third, second]
        endpoint.previous_secret_until = timezone.now() - timedelta(seconds=1)
        assert [s.reveal() for s in signing_secrets(endpoint)] == [third]


def test_secrets_are_stored_sealed(acme: House) -> None:
    _, secret = make_endpoint(acme)
    with scopes_disabled():
        assert secret.removeprefix("whsec_") not in str(WebhookEndpoint.objects.values())
