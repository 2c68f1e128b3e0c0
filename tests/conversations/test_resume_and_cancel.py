import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F

from conversations.engine.worker import Worker
from conversations.models import Task
from conversations.services import cancel_task
from tenants.scope import in_tenant, scopes_disabled
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import FakeLLM, hangs, says

pytestmark = pytest.mark.django_db(transaction=True)
HELLO = b'data: {"choices":[{"index":0,"delta":{"content":"Ho"}}]}\n\n'


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def until_called(fake: FakeLLM, times: int = 1) -> None:
    async with asyncio.timeout(30):
        while len(fake.calls) < times:
            await asyncio.sleep(0.005)


async def kill(running: asyncio.Task[None]) -> None:
    """Ends a worker the way `kill -9` does: nothing is settled, its leases run out."""
    running.cancel()
    await asyncio.wait({running})

    def expire() -> None:
        with scopes_disabled():
            Task.objects.update(lease_until=F("lease_until") - timedelta(minutes=1))

    await sync_to_async(expire)()


async def test_it_resumes_after_the_last_recorded_step(shop: House) -> None:
    async with open_worker(hangs(HELLO), says("Hola")) as (worker, fake):
        posted = await apost(shop, "precio")
        first = asyncio.create_task(worker.run_once())
        await until_called(fake)
        for _, running in list(worker.running.values()):
            running.cancel()
        await kill(first)
        await run_until_idle(Worker(gateway=worker.gateway))
        story = await story_of(shop, posted.task.id)
    assert story.answer == "Hola"
    assert [(step.kind, step.attempt) for step in story.steps] == [("route", 1), ("model", 2)]
    assert story.statuses.count("completed") == 1


async def test_it_closes_the_upstream_call_of_a_cancelled_task(shop: House) -> None:
    async with open_worker(hangs(HELLO)) as (worker, fake):
        posted = await apost(shop, "precio")
        running = asyncio.create_task(worker.run_forever())
        await until_called(fake)
        await in_tenant(shop.id, cancel_task, task_id=posted.task.id)
        async with asyncio.timeout(30):
            while (await story_of(shop, posted.task.id)).task.status != "cancelled":
                await asyncio.sleep(0.01)
        await worker.drain()
        await running
    story = await story_of(shop, posted.task.id)
    assert fake.calls[0].was_closed
    assert story.statuses == ["queued", "processing", "cancelled"]
    assert story.steps[-1].output["text"] == "Ho"
    assert story.answer is None


async def test_it_cancels_a_waiting_task_at_once(shop: House) -> None:
    posted = await apost(shop, "precio")
    task = await in_tenant(shop.id, cancel_task, task_id=posted.task.id)
    assert task.status == "cancelled"
    async with open_worker(says("Hola")) as (worker, fake):
        assert await worker.run_once() is False
    assert fake.calls == []


async def test_it_hands_back_what_it_cannot_finish_before_it_stops(shop: House) -> None:
    async with open_worker(hangs(HELLO), says("Hola")) as (worker, fake):
        posted = await apost(shop, "precio")
        running = asyncio.create_task(worker.run_forever())
        await until_called(fake)
        await worker.drain(timeout_seconds=0.05)
        await running
        assert (await story_of(shop, posted.task.id)).task.status == "queued"
        await run_until_idle(Worker(gateway=worker.gateway))
        story = await story_of(shop, posted.task.id)
    assert (story.answer, story.task.num_crashes) == ("Hola", 0)


async def test_it_stops_when_another_worker_owns_the_task(shop: House) -> None:
    async with open_worker(hangs(HELLO), says("Hola")) as (worker, fake):
        posted = await apost(shop, "precio")
        running = asyncio.create_task(worker.run_forever())
        await until_called(fake)

        def steal() -> None:
            with scopes_disabled():
                Task.objects.update(worker="thief", attempt=F("attempt") + 1)

        await sync_to_async(steal)()
        async with asyncio.timeout(3):
            while not fake.calls[0].was_closed:
                await asyncio.sleep(0.01)
        await worker.drain()
        await running
    assert (await story_of(shop, posted.task.id)).task.worker == "thief"
