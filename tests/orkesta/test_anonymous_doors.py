from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from django.test import Client, RequestFactory

from orkesta.client_address import client_address
from orkesta.door_cache import DoorCache
from orkesta.redis_door import RedisDoor
from tests.callers import assert_problem
from tests.services import Valkey


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Iterator[None]:
    settings.ORKESTA_HOOK_CALLS_PER_MINUTE = settings.ORKESTA_LOGINS_PER_MINUTE = 3
    settings.ORKESTA_SCHEMA_CALLS_PER_MINUTE = 3
    caches["doors"].clear()
    # Calls are counted by the minute, and the test must not come to stand over the edge of one.
    with time_machine.travel("2026-11-20T12:00:00Z", tick=False):
        yield
    caches["doors"].clear()


def come(path: str, method: str = "POST", times: int = 4, **headers: str) -> list[Any]:
    client = Client()
    return [client.generic(method, path, headers=headers) for _ in range(times)]


@pytest.mark.django_db
def test_tokens_of_hooks_cannot_be_tried_without_end() -> None:
    *tried, last = come("/hooks/whk_nothing")
    assert [answer.status_code for answer in tried] == [404, 404, 404]
    assert_problem(last, 429, "rate_limited")
    assert 1 <= int(last["Retry-After"]) <= 61


@pytest.mark.django_db
def test_passwords_cannot_be_tried_without_end() -> None:
    *_, last = come("/admin/login/")
    assert (last.status_code, last["Content-Type"]) == (429, "text/plain")
    assert int(last["Retry-After"]) >= 1
    assert come("/admin/login/", "GET", 1)[0].status_code == 200


@pytest.mark.django_db
def test_what_is_costly_to_tell_is_not_told_without_end() -> None:
    assert_problem(come("/api/schema/", "GET")[-1], 429, "rate_limited")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/health", "/health/detailed"])
def test_a_probe_is_never_turned_away(path: str) -> None:
    assert {answer.status_code for answer in come(path, "GET", 10)} == {200}


@pytest.mark.django_db
def test_a_client_cannot_make_up_its_address(settings: Any) -> None:
    made_up = [come("/hooks/x", times=1, **{"X-Forwarded-For": f"9.9.9.{n}"})[0] for n in range(4)]
    assert made_up[-1].status_code == 429
    caches["doors"].clear()
    settings.ORKESTA_TRUSTED_PROXIES = 1
    told = [
        come("/hooks/x", times=1, **{"X-Forwarded-For": f"9.9.9.{n}, 10.0.0.7"})[0]
        for n in range(4)
    ]
    assert told[-1].status_code == 429
    assert come("/hooks/x", times=1, **{"X-Forwarded-For": "10.0.0.8"})[0].status_code == 404


@pytest.mark.parametrize(
    ("proxies", "forwarded", "direct", "address"),
    [
        (0, "1.1.1.1", "2.2.2.2", "2.2.2.2"),
        (1, "9.9.9.9, 1.1.1.1", "2.2.2.2", "1.1.1.1"),
        (2, "9.9.9.9, 1.1.1.1, 3.3.3.3", "2.2.2.2", "1.1.1.1"),
        (2, "1.1.1.1", "2.2.2.2", "2.2.2.2"),
        (1, "<script>", "2.2.2.2", "2.2.2.2"),
        (1, "", "2.2.2.2", "2.2.2.2"),
        (0, "", "::ffff:2.2.2.2", "2.2.2.2"),
        (0, "", "2001:db8::1%eth0", "2001:db8::1"),
        (0, "", "", "0.0.0.0"),
    ],
)
def test_an_address_is_believed_as_far_as_there_are_proxies(
    settings: Any, proxies: int, forwarded: str, direct: str, address: str
) -> None:
    settings.ORKESTA_TRUSTED_PROXIES = proxies
    request = RequestFactory(REMOTE_ADDR=direct).get("/", headers={"X-Forwarded-For": forwarded})
    assert client_address(request) == address


@pytest.mark.redis
def test_processes_count_together_and_each_for_itself_while_redis_is_gone(
    mortal_valkey: Valkey,
) -> None:
    caches_of_processes = [DoorCache(name, {}) for name in ("first", "second")]
    for cache in caches_of_processes:
        cache._door = RedisDoor(mortal_valkey.url, pause_seconds=0.01)
    first, second = caches_of_processes
    assert first.add("k", 1, 60)
    assert not second.add("k", 1, 60)
    assert [second.incr("k"), first.incr("k")] == [2, 3]
    with pytest.raises(ValueError, match="no count"):
        first.incr("unknown")
    mortal_valkey.kill()
    assert first.add("k", 1, 60)
    assert first.incr("k") == 2
    assert second.add("k", 1, 60)
