import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from typing import Any
from uuid import UUID

import pytest

from conversations.connection_share import KEY, ConnectionShare
from conversations.connections import Connections, Owner, Room, Seat
from orkesta.redis_door import RedisDoor, Script
from tenants.errors import SocketsExhausted
from tests.services import Valkey

pytestmark = pytest.mark.redis
ACME, RIVAL = UUID(int=1), UUID(int=2)
FREE = Room()


class Process:
    """A web process, as far as its connections go."""

    def __init__(self, door: RedisDoor, stack: ExitStack, **options: float) -> None:
        self.connections = Connections()
        self.share = ConnectionShare(door, self.connections, **options)
        self._stack = stack

    async def open(self, tenant_id: UUID, room: Room = FREE, *, user: str = "ana") -> Seat:
        with ExitStack() as opening:
            seat = opening.enter_context(self.connections.seat())
            await self.share.places.take(seat, Owner(tenant_id, user), room)
            self._stack.push(opening.pop_all())
        return seat


@pytest.fixture
async def door(valkey_url: str) -> AsyncIterator[RedisDoor]:
    opened = RedisDoor(valkey_url)
    await opened.arun(Script("return redis.call('FLUSHDB')"), keys=[KEY], args=[])
    yield opened
    await all_told()
    await opened.aclose()


async def all_told() -> None:
    """What was closed is told by tasks of its own."""
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    if under_way:
        await asyncio.wait(under_way, timeout=30)


async def met(*processes: Process) -> list[dict[str, Any]]:
    """What each tells acme, once all have heard of all."""
    for process in processes * 2:
        await process.share.exchange()
    return [process.connections.stats(ACME) for process in processes]


async def test_every_process_tells_of_all(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, second = Process(door, stack), Process(door, stack)
        await first.open(ACME)
        await second.open(ACME)
        await second.open(RIVAL)
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


async def test_limits_are_exact_over_all_processes(door: RedisDoor) -> None:
    with ExitStack() as stack:
        processes = [Process(door, stack) for _ in range(4)]
        asked = [processes[number % 4].open(ACME, Room(tenant=10)) for number in range(64)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in answers].count(Seat) == 10
        assert [type(one) for one in answers].count(SocketsExhausted) == 54
        assert sum(process.connections.by_tenant[ACME] for process in processes) == 10
        await processes[0].open(RIVAL, Room(tenant=1))


async def test_one_users_connections_leave_room_for_the_others(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, second = Process(door, stack), Process(door, stack)
        room = Room(tenant=9, user=1)
        await first.open(ACME, room)
        with pytest.raises(SocketsExhausted):
            await second.open(ACME, room)
        await second.open(ACME, room, user="luis")
        await second.open(RIVAL, room)


async def test_a_place_that_was_left_is_free_everywhere(door: RedisDoor) -> None:
    with ExitStack() as stack, ExitStack() as leaving:
        second = Process(door, stack)
        await Process(door, leaving).open(ACME, Room(tenant=1))
        leaving.close()
        async with asyncio.timeout(30):
            while not num_open(second):
                with suppress(SocketsExhausted):
                    await second.open(ACME, Room(tenant=1))
                await asyncio.sleep(0)


async def test_places_are_kept_by_renewing_them(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, killed, third = (Process(door, stack) for _ in range(3))
        for process in (first, killed):
            process.share.places._milliseconds = 1000
            await process.open(ACME, Room(tenant=2))
        async with asyncio.timeout(30):
            while not num_open(third):
                await first.share.places.renew()
                with suppress(SocketsExhausted):
                    await third.open(ACME, Room(tenant=2))
                await asyncio.sleep(0.02)
        with pytest.raises(SocketsExhausted):
            await third.open(ACME, Room(tenant=2))


def num_open(process: Process) -> int:
    return process.connections.by_tenant[ACME]


async def test_a_process_that_is_gone_is_not_counted_for_long(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, killed = (Process(door, stack, seconds_kept=0.1) for _ in range(2))
        await killed.open(ACME)
        assert [one["open"] for one in await met(first, killed)] == [1, 1]
        await asyncio.sleep(0.15)
        assert [one["open"] for one in await met(first)] == [0]


async def test_without_redis_a_process_knows_of_itself(mortal_valkey: Valkey) -> None:
    door = RedisDoor(mortal_valkey.url, pause_seconds=0.01)
    with ExitStack() as stack:
        first, second = (Process(door, stack, seconds_kept=0.2) for _ in range(2))
        await first.open(ACME)
        await second.open(ACME)
        await met(first, second)
        mortal_valkey.kill()
        with pytest.raises(SocketsExhausted):
            await second.open(ACME, Room(tenant=2))
        assert [one["open"] for one in await met(first, second)] == [2, 2], "for a moment"
        await asyncio.sleep(0.25)
        assert [one["open"] for one in await met(first, second)] == [1, 1]
        mortal_valkey.restart()
        await asyncio.sleep(0.02)
        assert [one["open"] for one in await met(first, second)] == [2, 2]
    await all_told()
    await door.aclose()


async def test_it_goes_on_by_itself(door: RedisDoor) -> None:
    with ExitStack() as stack:
        first, second = (Process(door, stack, seconds_between=0.02) for _ in range(2))
        for process in (first, second):
            process.share.start()
            process.share.start()
        await second.open(ACME)
        async with asyncio.timeout(30):
            while first.connections.stats(ACME)["open"] < 1:
                await asyncio.sleep(0.01)
