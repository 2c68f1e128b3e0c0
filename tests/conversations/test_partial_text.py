from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from conversations.partial import (
    InMemoryPartialStore,
    PartialStore,
    PartialText,
    RedisPartialStore,
)
from orkesta.redis_door import RedisDoor
from tests.services import Valkey

TENANT, MESSAGE = uuid4(), uuid4()


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[PartialStore]:
    if request.param == "memory":
        yield InMemoryPartialStore()
        return
    door = RedisDoor(request.getfixturevalue("valkey_url"))
    yield RedisPartialStore(door)
    await door.aclose()


def said(text: str, stream: str = "1.2") -> PartialText:
    return PartialText(MESSAGE, stream, text)


async def test_it_knows_nothing_of_an_unknown_task(store: PartialStore) -> None:
    assert await store.get(TENANT, uuid4()) is None


async def test_it_keeps_the_text_as_it_grows(store: PartialStore) -> None:
    task = uuid4()
    for text in ("", "¿Qué", "¿Qué 🔧", "¿Qué 🔧 busca?"):
        await store.put(TENANT, task, said(text))
        assert await store.get(TENANT, task) == said(text)


async def test_it_starts_anew_with_a_new_run(store: PartialStore) -> None:
    task = uuid4()
    await store.put(TENANT, task, said("Hola a to", "1.2"))
    await store.put(TENANT, task, said("Bue", "2.2"))
    assert await store.get(TENANT, task) == said("Bue", "2.2")


async def test_it_ignores_a_run_that_was_replaced(store: PartialStore) -> None:
    task = uuid4()
    await store.put(TENANT, task, said("Bue", "10.2"))
    await store.put(TENANT, task, said("Hola a todos", "9.2"))
    assert await store.get(TENANT, task) == said("Bue", "10.2")


async def test_it_forgets(store: PartialStore) -> None:
    task = uuid4()
    await store.put(TENANT, task, said("Hola"))
    await store.discard(TENANT, task)
    assert await store.get(TENANT, task) is None


async def test_it_keeps_tenants_and_tasks_apart(store: PartialStore) -> None:
    task = uuid4()
    await store.put(TENANT, task, said("Hola"))
    assert await store.get(uuid4(), task) is None


async def test_another_process_may_take_over_the_writing(valkey_url: str) -> None:
    task, door = uuid4(), RedisDoor(valkey_url)
    one, two = RedisPartialStore(door), RedisPartialStore(door)
    await one.put(TENANT, task, said("Hola"))
    await one.discard(TENANT, task)
    await two.put(TENANT, task, said("Hola a"))
    await one.put(TENANT, task, said("Hola a todos"))
    assert await two.get(TENANT, task) == said("Hola a todos")
    await door.aclose()


async def test_it_does_without_redis_and_is_whole_again_afterwards(mortal_valkey: Valkey) -> None:
    task, door = uuid4(), RedisDoor(mortal_valkey.url, pause_seconds=0.01)
    store = RedisPartialStore(door)
    await store.put(TENANT, task, said("Hola"))
    mortal_valkey.kill()
    await store.put(TENANT, task, said("Hola a"))
    assert await store.get(TENANT, task) is None
    mortal_valkey.restart()
    for text in ("Hola a t", "Hola a to", "Hola a todos"):
        await store.put(TENANT, task, said(text))
        if await store.get(TENANT, task) == said(text):
            break
    assert (await store.get(TENANT, task)) is not None
    await door.aclose()
