import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest

from conversations.connection_share import KEY, ConnectionShare
from conversations.connections import Connections
from orkesta.redis_door import RedisDoor, Script
from tenants.errors import SocketsExhausted
from tests.services import Valkey

pytestmark = pytest.mark.redis
ACME, RIVAL = UUID(int=1), UUID(int=2)


class Process:
    """A web process, as far as its connections go."""

    def __init__(self, door: RedisDoor, stack: ExitStack, **options: float) -> None:
        self.connections = Connections()
        self.share = ConnectionShare(door, self.connections, **options)
        self._stack = stack

    def open(self, tenant_id: UUID, *, limit: int | None = None) -> None:
        seat = self._stack.enter_context(self.connections.seat())
        self.connections.belongs_to(seat, tenant_id, limit=limit)


@pytest.fixture
async def door(valkey_url: str) -> AsyncIterator[RedisDoor]:
    opened = RedisDoor(valkey_url)
    await opened.arun(Script("return redis.call('DEL', KEYS[1])"), keys=[KEY], args=[])
    yield opened
    await opened.aclose()


async def met(*processes: Process) -> list[dict[str, Any]]:
    """What each tells acme, once all have heard of all."""
    for process in processes * 2:
        await process.share.exchange()
    return [process.connections.stats(ACME) for process in processes]


async def test_every_process_tells_of_all(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, second = Process(door, stack), Process(door, stack)
        first.open(ACME)
        second.open(ACME)
        second.open(RIVAL)
        told = await met(first, second)
        assert [one["open"] for one in told] == [3, 3]
        assert [one["own_open"] for one in told] == [2, 2]
        assert [one["processes"] for one in told] == [2, 2]
        assert told[0]["peak"] == 2
        assert str(RIVAL) not in str(told)
    told = await met(first, second)
    assert [(one["open"], one["opened"], one["closed_by_code"]) for one in told] == [
        (0, 3, {"1000": 3})
    ] * 2


async def test_a_tiers_limit_holds_over_all_processes(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, second = Process(door, stack), Process(door, stack)
        first.open(ACME, limit=2)
        second.open(ACME, limit=2)
        await met(first, second)
        with pytest.raises(SocketsExhausted):
            first.open(ACME, limit=2)
        second.open(RIVAL, limit=2)


async def test_a_process_that_is_gone_is_not_counted_for_long(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, killed = (Process(door, stack, seconds_kept=0.1) for _ in range(2))
        killed.open(ACME)
        assert [one["open"] for one in await met(first, killed)] == [1, 1]
        await asyncio.sleep(0.15)
        assert [one["open"] for one in await met(first)] == [0]


async def test_without_redis_a_process_knows_of_itself(mortal_valkey: Valkey) -> None:
    door = RedisDoor(mortal_valkey.url, pause_seconds=0.01)
    with ExitStack() as stack:
        first, second = (Process(door, stack, seconds_kept=0.2) for _ in range(2))
        first.open(ACME)
        second.open(ACME)
        await met(first, second)
        mortal_valkey.kill()
        assert [one["open"] for one in await met(first, second)] == [2, 2], "for a moment"
        await asyncio.sleep(0.25)
        assert [one["open"] for one in await met(first, second)] == [1, 1]
        mortal_valkey.restart()
        await asyncio.sleep(0.02)
        assert [one["open"] for one in await met(first, second)] == [2, 2]
    await door.aclose()


async def test_it_goes_on_by_itself(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, second = (Process(door, stack, seconds_between=0.02) for _ in range(2))
        for process in (first, second):
            process.share.start()
            process.share.start()
        second.open(ACME)
        async with asyncio.timeout(2):
            while first.connections.stats(ACME)["open"] < 1:
                await asyncio.sleep(0.01)
