import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from tenants import authentication
from tenants.key_cache import CheckedKey, KeyCache
from tenants.keys import make_key as new_key
from tenants.models import ApiKey, Tenant
from tenants.scope import tenant_scope
from tenants.services import revoke_api_key
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House

WHERE = "/api/v1/sessions"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(authentication, "_cache", KeyCache(clock=clock))
    return clock


def key_row(house: House) -> ApiKey:
    with tenant_scope(house.id):
        return ApiKey.objects.get()


def revoke(house: House) -> None:
    with tenant_scope(house.id):
        revoke_api_key(key=ApiKey.objects.get())


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_it_takes_a_key_in_either_header(acme: House, header: str) -> None:
    key = make_key(acme.tenant)
    value = f"Bearer {key}" if header == "Authorization" else key
    assert Caller(None).get(WHERE, **{header: value}).status_code == 200


def test_it_asks_for_a_key(acme: House) -> None:
    response = Caller(None).get(WHERE)
    assert_problem(response, 401, "key_missing")
    assert response["WWW-Authenticate"] == 'Bearer realm="orkesta"'


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic dTpw", "", "ork"])
def test_it_asks_for_a_key_when_the_header_holds_none(acme: House, value: str) -> None:
    assert_problem(Caller(None).get(WHERE, Authorization=value), 401, "key_missing")


@pytest.mark.parametrize(
    "garble",
    [
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key[:-7],
        lambda key: key + "a",
        lambda key: key.upper(),
        lambda key: "ork_test_" + "a" * 12 + "_" + "b" * 38,
        lambda key: "garbage",
        lambda key: "ñandú €",
        lambda key: "a" * 5000,
        lambda key: new_key(is_live=True).plain,
    ],
)
def test_unknown_and_garbled_keys_look_the_same(acme: House, garble: Any) -> None:
    answers = [
        assert_problem(Caller(key).get(WHERE), 401, "key_invalid")
        for key in (garble(make_key(acme.tenant)), new_key(is_live=True).plain)
    ]
    for answer in answers:
        del answer["request_id"]
    assert answers[0] == answers[1]


def test_a_right_kid_with_a_wrong_secret_is_an_unknown_key(acme: House) -> None:
    key, other = make_key(acme.tenant), new_key(is_live=True)
    with tenant_scope(acme.id):
        ApiKey.objects.update(kid=other.kid)
    assert_problem(Caller(other.plain).get(WHERE), 401, "key_invalid")
    assert_problem(Caller(key).get(WHERE), 401, "key_invalid")


def test_an_expired_key_is_told_so(acme: House) -> None:
    ends = datetime(2030, 1, 1, tzinfo=UTC)
    with time_machine.travel(ends - timedelta(days=1), tick=False) as now:
        caller = Caller(make_key(acme.tenant, expires_at=ends))
        assert caller.get(WHERE).status_code == 200
        now.move_to(ends)
        assert_problem(caller.get(WHERE), 401, "key_expired")


def test_a_revoked_key_is_told_so_at_once_in_the_process_that_revoked_it(
    acme: House, clock: Clock, django_capture_on_commit_callbacks: Any
) -> None:
    caller = Caller(make_key(acme.tenant))
    assert caller.get(WHERE).status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        revoke(acme)
    assert_problem(caller.get(WHERE), 401, "key_revoked")


def test_a_key_revoked_elsewhere_ends_within_five_seconds(acme: House, clock: Clock) -> None:
    caller = Caller(make_key(acme.tenant))
    assert caller.get(WHERE).status_code == 200
    revoke(acme)
    clock.now += 5
    assert_problem(caller.get(WHERE), 401, "key_revoked")


def test_a_tenant_that_is_suspended_is_refused_within_five_seconds(
    acme: House, clock: Clock
) -> None:
    caller = Caller(make_key(acme.tenant))
    assert caller.get(WHERE).status_code == 200
    Tenant.objects.filter(pk=acme.id).update(is_active=False)
    clock.now += 5
    assert_problem(caller.get(WHERE), 403, "tenant_suspended")


def test_the_state_of_a_key_is_told_only_to_who_holds_the_whole_of_it(acme: House) -> None:
    make_key(acme.tenant)
    other = new_key(is_live=True)
    with tenant_scope(acme.id):
        ApiKey.objects.update(kid=other.kid)
    revoke(acme)
    assert_problem(Caller(other.plain).get(WHERE), 401, "key_invalid")


def test_a_busy_key_costs_one_look_at_the_database(acme: House, clock: Clock) -> None:
    key = make_key(acme.tenant)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(10):
            authentication.authenticate_key(key)
    assert len([q for q in queries if "SELECT" in q["sql"]]) == 1


def test_its_use_is_noted_once_a_minute(acme: House, clock: Clock) -> None:
    key = make_key(acme.tenant)
    begin = datetime(2030, 1, 1, tzinfo=UTC)
    with time_machine.travel(begin, tick=False) as now:
        for seconds, noted in [(0, 0), (30, 0), (59, 0), (61, 61), (100, 61)]:
            now.move_to(begin + timedelta(seconds=seconds))
            clock.now += 10
            authentication.authenticate_key(key)
            assert key_row(acme).last_used_at == begin + timedelta(seconds=noted)


def test_a_use_that_cannot_be_noted_does_not_turn_the_key_away(
    acme: House, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            raise OperationalError("database is locked")
        return execute(sql, *rest)

    key = make_key(acme.tenant)
    with connection.execute_wrapper(busy), caplog.at_level(logging.WARNING):
        authentication.authenticate_key(key)
    assert "could not be noted" in caplog.text
    assert key not in caplog.text


def test_the_cache_holds_no_key_and_stays_small() -> None:
    cache = KeyCache(max_entries=3)
    principal: Any = object()
    for number in range(10):
        cache.put(f"key {number}", CheckedKey(f"kid {number}", principal))
    assert len(cache) == 3
    assert cache.find("key 9").principal is principal  # type: ignore[union-attr]
    assert cache.find("key 0") is None
    assert "key 9" not in repr(vars(cache))
    cache.forget("kid 9")
    assert cache.find("key 9") is None
