from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from conversations.models import Task
from tenants.models import IdempotencyRecord
from tenants.scope import scopes_disabled, tenant_scope
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House

SEND = "/api/v1/chat/send"


def send(api: Caller, key: str, message: str = "hola", **headers: str) -> Any:
    return api.post(SEND, {"message": message}, **{"Idempotency-Key": key}, **headers)


def num_tasks() -> int:
    with scopes_disabled():
        return Task.objects.count()


def test_it_answers_a_repeated_request_as_before_and_does_nothing(acme_api: Caller) -> None:
    first, second = send(acme_api, "k1"), send(acme_api, "k1")
    assert second.json() == first.json()
    assert (first.status_code, second.status_code) == (202, 202)
    assert second["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert num_tasks() == 1


def test_it_takes_bodies_that_differ_in_the_order_of_keys_for_the_same(acme_api: Caller) -> None:
    one = acme_api.post(SEND, b'{"message":"a","agent":"desk"}', **{"Idempotency-Key": "k"})
    two = acme_api.post(SEND, b'{"agent":"desk", "message":"a"}', **{"Idempotency-Key": "k"})
    assert one.json() == two.json()


def test_it_refuses_the_key_of_another_request(acme_api: Caller) -> None:
    send(acme_api, "k1")
    assert_problem(send(acme_api, "k1", "otra cosa"), 422, "idempotency_key_reused")
    other = acme_api.post("/api/v1/sessions", {"message": "hola"}, **{"Idempotency-Key": "k1"})
    assert_problem(other, 422, "idempotency_key_reused")
    assert num_tasks() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "ñ", "x" * 256, "a\tb"])
def test_it_refuses_a_malformed_key(acme_api: Caller, key: str) -> None:
    assert_problem(send(acme_api, key), 400, "idempotency_key_malformed")
    assert num_tasks() == 0


def test_it_keeps_nothing_of_a_request_that_failed(acme_api: Caller) -> None:
    assert_problem(send(acme_api, "k1", " "), 422, "message_empty")
    assert send(acme_api, "k1").status_code == 202


def test_it_keeps_keys_of_different_callers_apart(
    acme: House, acme_api: Caller, rival_api: Caller
) -> None:
    colleague = Caller(make_key(acme.tenant))
    answers = [send(api, "k1").json()["task_id"] for api in (acme_api, rival_api, colleague)]
    assert len(set(answers)) == 3


def test_it_forgets_a_key_after_a_day(acme: House, acme_api: Caller) -> None:
    first = send(acme_api, "k1").json()
    with tenant_scope(acme.id):
        IdempotencyRecord.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    second = send(acme_api, "k1", "otra cosa").json()
    assert first["task_id"] != second["task_id"]
    assert send(acme_api, "k1", "otra cosa").json() == second


@pytest.mark.django_db(transaction=True)
def test_it_has_one_effect_however_many_send_it_at_once(acme: House) -> None:
    key = make_key(acme.tenant)

    def call(_: int) -> Any:
        try:
            return send(Caller(key), "k1")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["task_id"] for answer in answers if answer.status_code == 202}) == 1
    assert num_tasks() == 1


def posts() -> Any:
    def walk(patterns: Any, before: str = "") -> Any:
        for pattern in patterns:
            path = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, path)
            elif isinstance(pattern, URLPattern) and path.startswith("api/v1/"):
                view = getattr(pattern.callback, "view_class", None)
                # Who needs no key has none whose answers could be kept.
                if view is not None and hasattr(view, "post") and view.authentication_classes:
                    yield path, view

    return walk(get_resolver().url_patterns)


def test_every_post_obeys_the_key() -> None:
    found = dict(posts())
    assert len(found) >= 9
    assert [path for path, view in found.items() if not hasattr(view.post, "is_idempotent")] == []
