"""What a client reads: the fields of the IETF draft, and Retry-After."""

import pytest

from tenants.limits import Bucket, MemoryLimitStore, limit_headers
from tests.fakes.clock import ManualClock

KEY = Bucket("key", "k", 5, 60)
TENANT = Bucket("tenant", "", 100, 3600)


def test_an_admitted_call_tells_what_is_left() -> None:
    store = MemoryLimitStore(clock=ManualClock(10**12))
    assert limit_headers(store.check("acme", [KEY, TENANT])) == {
        "RateLimit-Policy": '"key";q=5;w=60, "tenant";q=100;w=3600',
        "RateLimit": '"key";r=4;t=12',
    }


def test_a_refused_call_tells_when_to_come_back() -> None:
    clock = ManualClock(10**12)
    store = MemoryLimitStore(clock=clock)
    for _ in range(5):
        store.check("acme", [KEY])
    clock.now += 1_500_000
    headers = limit_headers(store.check("acme", [KEY]))
    assert headers["RateLimit"] == '"key";r=0;t=11'
    assert headers["Retry-After"] == "11"  # 10.5 s, and never early
    clock.now += 10_500_000
    assert store.check("acme", [KEY]).allowed


def test_retry_after_is_never_nothing() -> None:
    clock = ManualClock(10**12)
    store, fast = MemoryLimitStore(clock=clock), Bucket("key", "k", 1000, 1)
    for _ in range(1000):
        store.check("acme", [fast])
    assert limit_headers(store.check("acme", [fast]))["Retry-After"] == "1"


def test_without_limits_there_are_no_headers() -> None:
    assert limit_headers(MemoryLimitStore().check("acme", [])) == {}


@pytest.mark.parametrize(("name", "quoted"), [('a"b', r'"a\"b"'), ("a\\b", r'"a\\b"')])
def test_names_are_quoted(name: str, quoted: str) -> None:
    headers = limit_headers(MemoryLimitStore().check("acme", [Bucket(name, "", 1, 1)]))
    assert headers["RateLimit"].startswith(f"{quoted};r=0")
