from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tenants import authentication, key_use
from tenants.key_cache import KeyCache
from tenants.key_use import MAX_KEYS, Uses, judge
from tenants.models import ApiKey
from tenants.scope import tenant_scope
from tests.callers import make_key
from tests.cast import House

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
HOME, NEXT_DOOR, ABROAD = "203.0.113.5", "203.0.113.77", "198.51.100.1"


class Minutes:
    """Time that passes for everything that notes the use of keys."""

    def __init__(self, travel: Any) -> None:
        self.travel = travel
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.travel.shift(timedelta(seconds=seconds))


@pytest.fixture
def minutes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Minutes]:
    with time_machine.travel(BEGIN, tick=False) as travel:
        minutes = Minutes(travel)
        uses = Uses(clock=minutes)
        monkeypatch.setattr(key_use, "uses", uses)
        monkeypatch.setattr(authentication, "uses", uses)
        monkeypatch.setattr(authentication, "_cache", KeyCache(clock=minutes))
        yield minutes


def row(house: House) -> ApiKey:
    with tenant_scope(house.id):
        return ApiKey.objects.get()


def test_it_is_noted_from_where_a_key_is_used(acme: House, minutes: Minutes) -> None:
    key = make_key(acme.tenant)
    for address, noted in [(HOME, HOME), (NEXT_DOOR, HOME)]:
        authentication.authenticate_key(key, address=address)
        minutes.pass_by(5)
        assert row(acme).last_used_address == noted
    minutes.pass_by(60)
    authentication.authenticate_key(key, address=NEXT_DOOR)
    assert row(acme).last_used_address == NEXT_DOOR
    assert row(acme).unusual_what == ""


def test_a_new_network_is_unusual_even_when_it_comes_within_the_minute(
    acme: House, minutes: Minutes, caplog: pytest.LogCaptureFixture
) -> None:
    key = make_key(acme.tenant)
    for address in (HOME, ABROAD, HOME):
        authentication.authenticate_key(key, address=address)
        minutes.pass_by(1)
    assert row(acme).unusual_at is None
    minutes.pass_by(60)
    authentication.authenticate_key(key, address=HOME)
    assert (row(acme).unusual_what, row(acme).unusual_at) == ("address", BEGIN + timedelta(0, 63))
    assert "Unusual use" in caplog.text
    assert key not in caplog.text


def test_a_sudden_rush_is_unusual(acme: House, minutes: Minutes) -> None:
    key = make_key(acme.tenant)
    for calls in (1, 5, 5):
        for _ in range(calls):
            authentication.authenticate_key(key, address=HOME)
        minutes.pass_by(61)
    authentication.authenticate_key(key, address=HOME)
    assert row(acme).unusual_what == ""
    for _ in range(200):
        authentication.authenticate_key(key, address=HOME)
    minutes.pass_by(61)
    authentication.authenticate_key(key, address=HOME)
    assert row(acme).unusual_what == "rate"


@pytest.mark.parametrize(
    ("usual", "calls", "what"),
    [(5.0, 100.0, ""), (5.0, 121.0, "rate"), (100.0, 900.0, ""), (100.0, 1001.0, "rate")],
)
def test_what_is_sudden_depends_on_what_is_usual(usual: float, calls: float, what: str) -> None:
    key = ApiKey(usual_calls=usual, last_used_at=BEGIN)
    assert judge(key, calls=calls, addresses=set()).get("unusual_what", "") == what


def test_few_ranges_are_remembered() -> None:
    key = ApiKey(known_ranges=[f"10.0.{n}.0/24" for n in range(20)], last_used_at=BEGIN)
    known = judge(key, calls=1, addresses={"2001:db8:1:2::3", "nonsense"})["known_ranges"]
    assert (len(known), known[-1], known[0]) == (20, "2001:db8:1::/48", "10.0.1.0/24")


def test_what_is_seen_of_keys_stays_small() -> None:
    uses = Uses()
    for number in range(MAX_KEYS + 10):
        uses.count(number, HOME)  # type: ignore[arg-type]
    assert len(uses._seen) == MAX_KEYS
