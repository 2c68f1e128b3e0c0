"""The door to Redis: any thread, any loop; when Redis is gone it says so, and quickly."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from orkesta.redis_door import RedisDoor, RedisUnavailable, Script
from tests.services import Valkey

pytestmark = pytest.mark.redis
ECHO = Script("return {KEYS[1], ARGV[1]}")
COUNT = Script("return redis.call('INCR', KEYS[1])")


class RudeServer:
    """Takes connections and closes them, or says nothing at all."""

    def __init__(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._open: list[asyncio.StreamWriter] = []
        self.accepted = 0

    async def __aenter__(self) -> "RudeServer":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._is_silent:
            self._open.append(writer)
        else:
            writer.close()


@pytest.fixture
def door(valkey_url: str) -> Iterator[RedisDoor]:
    opened = RedisDoor(valkey_url)
    yield opened
    opened.close()


@pytest.fixture
async def rude() -> AsyncIterator[RudeServer]:
    async with RudeServer(is_silent=False) as server:
        yield server


def test_it_runs_a_script_the_server_has_never_seen(door: RedisDoor) -> None:
    assert door.run(ECHO, keys=["k"], args=["ñ"]) == [b"k", "ñ".encode()]
    assert door.run(ECHO, keys=["k"], args=[7]) == [b"k", b"7"]
    assert not door.is_down


def test_it_serves_many_threads_and_loops(door: RedisDoor) -> None:
    async def count_ten() -> None:
        await asyncio.gather(*(door.arun(COUNT, keys=["loops"], args=[]) for _ in range(10)))
        await door.aclose()

    def count_twenty() -> None:
        for _ in range(10):
            door.run(COUNT, keys=["loops"], args=[])
        asyncio.run(count_ten())

    threads = [threading.Thread(target=count_twenty) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert door.run(COUNT, keys=["loops"], args=[]) == 8 * 20 + 1


def test_a_wrong_script_is_an_error_of_ours(door: RedisDoor) -> None:
    with pytest.raises(RedisUnavailable):
        door.run(Script("return redis.call('NOPE')"), keys=[], args=[])


async def test_during_the_pause_nobody_knocks_and_after_it_one(rude: RudeServer) -> None:
    door = RedisDoor(rude.url, pause_seconds=30)

    async def knock() -> None:
        with pytest.raises(RedisUnavailable):
            await door.arun(ECHO, keys=["k"], args=["v"])

    await knock()
    assert (door.is_down, rude.accepted) == (True, 2)  # the try and its repetition
    await asyncio.gather(*(knock() for _ in range(50)))
    assert rude.accepted == 2
    door._next_try_at = time.monotonic()  # the pause is over
    await asyncio.gather(*(knock() for _ in range(50)))
    assert rude.accepted == 4
    await door.aclose()


async def test_a_server_that_says_nothing_costs_one_timeout_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orkesta.redis_door.TIMEOUT_SECONDS", 0.3)
    async with RudeServer(is_silent=True) as silent:
        door = RedisDoor(silent.url, pause_seconds=30)
        for _ in range(3):
            with pytest.raises(RedisUnavailable):
                await door.arun(ECHO, keys=["k"], args=["v"])
        assert silent.accepted == 1
        await door.aclose()


async def test_it_comes_back_after_a_restart(mortal_valkey: Valkey) -> None:
    door = RedisDoor(mortal_valkey.url, pause_seconds=0.01)
    for _ in range(2):
        # Several connections are open, and the restart kills them all.
        await asyncio.gather(*(door.arun(ECHO, keys=["k"], args=["v"]) for _ in range(8)))
        assert await door.arun(COUNT, keys=["n"], args=[]) == 1
        assert door.run(COUNT, keys=["n"], args=[]) == 2
        mortal_valkey.kill()
        with pytest.raises(RedisUnavailable):
            door.run(COUNT, keys=["n"], args=[])
        mortal_valkey.restart()
        await asyncio.sleep(0.02)
        assert door.run(ECHO, keys=["k"], args=["v"]) == [b"k", b"v"]
        await asyncio.gather(*(door.arun(ECHO, keys=["k"], args=["v"]) for _ in range(8)))
        assert not door.is_down
    assert await door.arun(COUNT, keys=["n"], args=[]) == 1
    await door.aclose()
    door.close()


async def test_cancelled_calls_never_give_their_answers_to_others(valkey_url: str) -> None:
    door = RedisDoor(valkey_url)

    async def ask(number: int) -> None:
        assert await door.arun(ECHO, keys=["k"], args=[number]) == [b"k", b"%d" % number]

    for round_number in range(40):
        calls = [asyncio.ensure_future(ask(round_number * 100 + n)) for n in range(20)]
        await asyncio.sleep(0.0005 * (round_number % 8))
        for call in calls[::2]:
            call.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert not [o for o in outcomes if isinstance(o, Exception)]
    assert not door.is_down
    await door.aclose()
