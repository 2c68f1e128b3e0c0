from typing import Any

import pytest
from django.conf import LazySettings

from conversations.models import Task
from tenants.models import Tier, TierOverride
from tenants.scope import scopes_disabled, tenant_scope
from tests.callers import NO_SUCH_ID, Caller, assert_problem, make_key
from tests.cast import House, make_session, make_tenant, make_tier

SEND = "/api/v1/chat/send"


def house_on(**limits: Any) -> tuple[Any, Caller]:
    tenant = make_tenant("limited", tier=make_tier(slug="small", name="Small", **limits))
    return tenant, Caller(make_key(tenant))


def override(tenant: Any, limit: str, value: Any, **values: Any) -> TierOverride:
    with tenant_scope(tenant.id):
        return TierOverride.objects.create(limit=limit, value=value, reason="asked", **values)


def test_it_lets_exactly_the_limit_through_and_says_when_to_come_back(db: None) -> None:
    _, caller = house_on(requests_per_minute=3)
    answers = [caller.get("/api/v1/tasks") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert_problem(answers[3], 429, "rate_limited")
    assert answers[3]["Retry-After"] == "20"
    assert answers[3].json()["retry_after"] == 20


def test_every_answer_says_how_the_limits_stand(db: None) -> None:
    _, caller = house_on(requests_per_minute=3)
    answer = caller.get("/api/v1/tasks")
    assert answer["RateLimit-Policy"] == '"tenant";q=3;w=60'
    assert answer["RateLimit"] == '"tenant";r=2;t=20'


@pytest.mark.parametrize("path", ["/api/v1/nowhere", f"/api/v1/tasks/{NO_SUCH_ID}", "/ws/stats"])
def test_whatever_a_key_asks_for_counts(db: None, path: str) -> None:
    _, caller = house_on(requests_per_minute=1)
    caller.get(path)
    assert_problem(caller.get(path), 429, "rate_limited")


def test_no_limit_is_no_header(db: None) -> None:
    _, caller = house_on(requests_per_minute=None)
    assert "RateLimit" not in caller.get("/api/v1/tasks")


def test_a_key_has_a_limit_of_its_own(db: None) -> None:
    tenant, caller = house_on(requests_per_minute_per_key=1)
    other = Caller(make_key(tenant))
    assert caller.get("/api/v1/tasks").status_code == 200
    assert "(key)" in assert_problem(caller.get("/api/v1/tasks"), 429, "rate_limited")["detail"]
    assert other.get("/api/v1/tasks").status_code == 200


@pytest.mark.parametrize("path", [SEND, "/api/v1/execute", "/api/v1/ws/tickets"])
def test_a_session_has_a_limit_however_it_is_named(db: None, path: str) -> None:
    tenant, caller = house_on(requests_per_minute_per_session=1)
    one, two = make_session(tenant), make_session(tenant)
    assert caller.get(f"/api/v1/sessions/{one.id}").status_code == 200
    refused = caller.post(path, {"message": "hola", "session_id": str(one.id)})
    assert "(session)" in assert_problem(refused, 429, "rate_limited")["detail"]
    assert caller.get(f"/api/v1/sessions/{two.id}").status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"session_id": 5}', b'{"session_id": null}'])
def test_a_body_that_names_no_session_is_the_views_affair(db: None, body: bytes) -> None:
    _, caller = house_on(requests_per_minute_per_session=1)
    assert caller.post(SEND, body).status_code in {400, 422}


def test_one_tenant_does_not_use_up_anothers_limit(acme_api: Caller) -> None:
    _, caller = house_on(requests_per_minute=1)
    caller.get("/api/v1/tasks")
    assert caller.get("/api/v1/tasks").status_code == 429
    assert acme_api.get("/api/v1/tasks").status_code == 200


def test_a_new_limit_holds_from_the_next_request_on(db: None) -> None:
    _, caller = house_on(requests_per_minute=10)
    caller.get("/api/v1/tasks")
    tier = Tier.objects.get(slug="small")
    tier.requests_per_minute = 20
    tier.save()
    # What was used up is a share of the limit: a tenth.
    assert caller.get("/api/v1/tasks")["RateLimit"].startswith('"tenant";r=17;')


def test_an_override_goes_before_the_tier_until_it_expires(db: None) -> None:
    tenant, caller = house_on(requests_per_minute=1)
    row = override(tenant, "requests_per_minute", None)
    assert [caller.get("/api/v1/tasks").status_code for _ in range(3)] == [200] * 3
    with tenant_scope(tenant.id):
        row.expires_at = row.created_at
        row.save()
    answers = [caller.get("/api/v1/tasks").status_code for _ in range(2)]
    assert answers == [200, 429]


def test_an_override_of_another_tenant_is_nothing_to_me(acme: House) -> None:
    _, caller = house_on(requests_per_minute=1)
    override(acme.tenant, "requests_per_minute", None)
    caller.get("/api/v1/tasks")
    assert caller.get("/api/v1/tasks").status_code == 429


def test_a_session_takes_as_many_messages_as_the_tier_says(
    db: None, settings: LazySettings
) -> None:
    settings.ORKESTA_MAX_REQUESTS_PER_SESSION = 2
    tenant, caller = house_on()
    session = make_session(tenant)
    body = {"message": "hola", "session_id": str(session.id)}
    assert [caller.post(SEND, body).status_code for _ in range(3)] == [202, 202, 429]
    override(tenant, "requests_per_session", 3)
    assert [caller.post(SEND, body).status_code for _ in range(2)] == [202, 429]


def test_a_tier_may_leave_out_a_part_of_the_product(db: None) -> None:
    _, caller = house_on(features=["batches"])
    assert caller.get("/api/v1/batches").status_code == 200
    assert_problem(caller.get("/api/v1/schedules"), 403, "feature_not_included")


def test_a_message_waits_with_the_priority_of_its_tier(db: None) -> None:
    _, caller = house_on(claim_priority=8)
    task_id = caller.post(SEND, {"message": "hola"}).json()["task_id"]
    with scopes_disabled():
        assert Task.objects.get(pk=task_id).priority == 8
