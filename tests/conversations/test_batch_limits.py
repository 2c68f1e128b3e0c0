from typing import Any
from uuid import UUID

import pytest

from tenants.models import Tenant
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House, make_session
from tests.conversations.stored import num_rows

BATCHES = "/api/v1/batches"


def limited(house: House, **limits: int) -> Caller:
    tier = house.tenant.tier
    tier.features = ["batches"]
    for name, value in limits.items():
        setattr(tier, name, value)
    tier.save()
    return Caller(make_key(Tenant.objects.get(pk=house.id)))


def batch(num: int, session_id: UUID | None = None) -> dict[str, Any]:
    one = {"message": "hola"} | ({"session_id": str(session_id)} if session_id else {})
    return {"requests": [one] * num}


@pytest.mark.parametrize("limit", ["requests_per_minute", "requests_per_minute_per_key"])
def test_a_batch_counts_as_many_requests_as_it_has(acme: House, limit: str) -> None:
    caller = limited(acme, **{limit: 10})
    sent = caller.post(BATCHES, batch(7))
    assert sent.status_code == 202
    assert ";r=3;" in sent["RateLimit"]
    before = num_rows()
    problem = assert_problem(caller.post(BATCHES, batch(4)), 429, "rate_limited")
    assert problem["retry_after"] >= 1
    assert num_rows() == before
    # The refused call counts, as any call does; what it brought does not.
    assert caller.post(BATCHES, batch(2)).status_code == 202
    assert_problem(caller.get(BATCHES), 429, "rate_limited")


def test_as_many_as_the_limit_fit_at_once(acme: House) -> None:
    assert limited(acme, requests_per_minute=5).post(BATCHES, batch(5)).status_code == 202


def test_a_batch_that_never_fits_is_told_so_and_costs_what_a_call_costs(acme: House) -> None:
    caller = limited(acme, requests_per_minute=5)
    refused = caller.post(BATCHES, batch(6))
    problem = assert_problem(refused, 429, "rate_too_small")
    assert "6 requests, and at most 5" in problem["detail"]
    assert not problem["retryable"]
    assert "Retry-After" not in refused
    assert caller.post(BATCHES, batch(4)).status_code == 202


def test_what_a_batch_says_in_one_session_counts_for_that_session(acme: House) -> None:
    caller = limited(acme, requests_per_minute_per_session=3)
    one, two = make_session(acme.tenant), make_session(acme.tenant)
    assert_problem(caller.post(BATCHES, batch(4, one.id)), 429, "rate_too_small")
    assert caller.post(BATCHES, batch(3, one.id)).status_code == 202
    assert_problem(caller.post(BATCHES, batch(1, one.id)), 429, "rate_limited")
    assert caller.post(BATCHES, batch(3, two.id)).status_code == 202


def test_a_repeated_call_is_not_counted_again(acme: House) -> None:
    caller = limited(acme, requests_per_minute=10)
    headers = {"Idempotency-Key": "once"}
    first = caller.post(BATCHES, batch(8), **headers)
    again = caller.post(BATCHES, batch(8), **headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
