from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from conversations.models import Task
from tenants.keys import make_key as new_key
from tenants.models import ApiKey
from tenants.principals import Scope
from tenants.scope import tenant_scope
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House

WHERE = "/api/v1/keys"
LEAKED = "/api/v1/keys/leaked"
BODY = {"name": "Shop", "scopes": ["chat:write", "tasks:read"]}
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def row_of(house: House, key_id: str) -> ApiKey:
    with tenant_scope(house.id):
        return ApiKey.objects.get(pk=key_id)


def rotate(caller: Caller, key_id: str, **body: Any) -> Any:
    return caller.post(f"{WHERE}/{key_id}/rotate", body)


def test_a_new_key_is_shown_once_and_works(acme_api: Caller) -> None:
    response = acme_api.post(WHERE, BODY)
    made = response.json()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert Caller(made["key"]).get("/api/v1/tasks").status_code == 200
    assert_problem(Caller(made["key"]).get(WHERE), 403, "scope_missing")
    looked_up = acme_api.get(response["Location"])
    assert looked_up.json()["shown"] == made["shown"]
    assert made["key"] not in looked_up.text + acme_api.get(WHERE).text


@pytest.mark.parametrize(("asked", "days"), [({}, 30), ({"expires_in_days": 7}, 7)])
def test_a_key_expires_when_the_installation_says_or_the_caller(
    acme_api: Caller, settings: Any, asked: dict[str, int], days: int
) -> None:
    settings.ORKESTA_KEY_LIFETIME_DAYS = 30
    made = acme_api.post(WHERE, BODY | asked).json()
    lifetime = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert abs(lifetime - timedelta(days=days)) < timedelta(minutes=1)


def test_zero_days_mean_that_it_does_not_expire(acme_api: Caller) -> None:
    assert acme_api.post(WHERE, BODY | {"expires_in_days": 0}).json()["expires_at"] is None


def test_nobody_makes_a_key_that_may_do_more_than_they_may(acme: House, acme_api: Caller) -> None:
    strong = acme_api.post(WHERE, BODY).json()
    weak = Caller(make_key(acme.tenant, [Scope.KEYS_MANAGE]))
    assert_problem(weak.post(WHERE, BODY), 403, "scope_missing")
    assert_problem(rotate(weak, strong["key_id"]), 403, "scope_missing")
    bound = Caller(make_key(acme.tenant, agents=["desk"]))
    assert_problem(bound.post(WHERE, BODY | {"agents": ["sales"]}), 403, "agent_not_allowed")
    assert bound.post(WHERE, BODY).json()["agents"] == ["desk"]


@pytest.mark.parametrize("addresses", [["shop"], ["10.0.0.1/8"], ["10.0.0.0/33"]])
def test_what_is_no_network_is_refused(acme_api: Caller, addresses: list[str]) -> None:
    problem = assert_problem(
        acme_api.post(WHERE, BODY | {"addresses": addresses}), 422, "validation_failed"
    )
    assert problem["errors"][0]["pointer"] == "/addresses"


def test_a_rotated_key_works_for_a_while_and_says_that_it_is_going(acme_api: Caller) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        old = acme_api.post(WHERE, BODY).json()
        new = rotate(acme_api, old["key_id"], overlap_seconds=3600).json()
        assert new["scopes"] == old["scopes"]
        assert new["expires_at"] == old["expires_at"]
        clock.shift(10)
        answer = Caller(old["key"]).get("/api/v1/tasks")
        assert answer.status_code == 200
        assert answer["Deprecation"] == f"@{int(NOW.timestamp())}"
        assert answer["Sunset"] == "Tue, 01 Jan 2030 01:00:00 GMT"
        clock.shift(3600)
        assert_problem(Caller(old["key"]).get("/api/v1/tasks"), 401, "key_expired")
        answer = Caller(new["key"]).get("/api/v1/tasks")
        assert answer.status_code == 200
        assert not {"Deprecation", "Sunset"} & set(answer.headers)


def test_a_day_of_overlap_is_usual_and_a_week_the_most(acme: House, acme_api: Caller) -> None:
    with time_machine.travel(NOW, tick=False):
        old = acme_api.post(WHERE, BODY).json()
        assert_problem(
            rotate(acme_api, old["key_id"], overlap_seconds=7 * 86_400 + 1),
            422,
            "validation_failed",
        )
        new = rotate(acme_api, old["key_id"]).json()
        row = row_of(acme, old["key_id"])
        assert row.expires_at == NOW + timedelta(days=1)
        assert str(row.replaced_by_id) == new["key_id"]


def test_a_rotation_never_lengthens_a_life(acme: House, acme_api: Caller) -> None:
    with time_machine.travel(NOW, tick=False):
        old = acme_api.post(WHERE, BODY | {"expires_in_days": 1}).json()
        rotate(acme_api, old["key_id"], overlap_seconds=7 * 86_400)
        assert row_of(acme, old["key_id"]).expires_at == NOW + timedelta(days=1)


def test_a_key_is_rotated_once_and_not_after_its_end(acme_api: Caller) -> None:
    old, gone = (acme_api.post(WHERE, BODY).json()["key_id"] for _ in range(2))
    rotate(acme_api, old)
    assert_problem(rotate(acme_api, old), 409, "key_not_rotatable")
    acme_api.request("DELETE", f"{WHERE}/{gone}")
    assert_problem(rotate(acme_api, gone), 409, "key_not_rotatable")


def test_a_deleted_key_is_revoked_and_stays_in_the_list(acme_api: Caller) -> None:
    made = acme_api.post(WHERE, BODY).json()
    for _ in range(2):
        assert acme_api.request("DELETE", f"{WHERE}/{made['key_id']}").status_code == 204
    assert_problem(Caller(made["key"]).get("/api/v1/tasks"), 401, "key_revoked")
    listed = {key["key_id"]: key for key in acme_api.get(WHERE).json()["items"]}
    assert listed[made["key_id"]]["revoked_because"] == "by_hand"


def test_a_key_works_from_its_networks_only(acme: House, settings: Any) -> None:
    key = make_key(acme.tenant, addresses=["203.0.113.0/24"])
    caller = Caller(key)
    assert_problem(caller.get("/api/v1/tasks"), 403, "ip_not_allowed")
    faked = {"X-Forwarded-For": "203.0.113.9"}
    assert_problem(caller.get("/api/v1/tasks", **faked), 403, "ip_not_allowed")
    settings.ORKESTA_TRUSTED_PROXIES = 1
    assert caller.get("/api/v1/tasks", **faked).status_code == 200
    faked = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}
    assert_problem(caller.get("/api/v1/tasks", **faked), 403, "ip_not_allowed")


def test_a_key_talks_to_its_agents_only(acme: House) -> None:
    caller = Caller(make_key(acme.tenant, agents=["desk", "sales"]))
    said = {"message": "hola", "agent": "desk"}
    assert caller.post("/api/v1/chat/send", said).status_code == 202
    for agent in ("", "other"):
        response = caller.post("/api/v1/chat/send", {"message": "hola", "agent": agent})
        assert_problem(response, 403, "agent_not_allowed")


def test_a_key_for_one_agent_need_not_name_it(acme: House) -> None:
    caller = Caller(make_key(acme.tenant, agents=["sales"]))
    sent = caller.post("/api/v1/chat/send", {"message": "hola"}).json()
    with tenant_scope(acme.id):
        assert Task.objects.get(pk=sent["task_id"]).agent_slug == "sales"


def test_whoever_finds_a_key_can_end_it_and_learns_nothing(acme: House) -> None:
    key = make_key(acme.tenant)
    with tenant_scope(acme.id):
        row = ApiKey.objects.get()
    garbled = key[:-1] + ("0" if key[-1] != "0" else "1")
    for text in (garbled, "x", new_key(is_live=True).plain):
        answer = Caller(None).post(LEAKED, {"key": text})
        assert (answer.status_code, answer.json()) == (202, {"received": True})
    assert row_of(acme, str(row.pk)).revoked_at is None
    for _ in range(2):
        answer = Caller(None).post(LEAKED, {"key": f" {key}\n"})
        assert (answer.status_code, answer.json()) == (202, {"received": True})
    assert row_of(acme, str(row.pk)).revoked_because == "leaked"
    assert_problem(Caller(key).get("/api/v1/tasks"), 401, "key_revoked")


def test_reports_of_one_address_are_limited(acme: House, settings: Any) -> None:
    settings.ORKESTA_LEAK_REPORTS_PER_MINUTE = 2
    answers = [Caller(None, **{}).post(LEAKED, {"key": "x"}) for _ in range(3)]
    assert answers[-1].status_code == 429
    assert answers[-1]["Retry-After"]
