import asyncio

import pytest
from asgiref.sync import sync_to_async

from conversations.errors import SessionBusy
from conversations.models import Message
from routing.models import Agent
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import Story, apost, ask_fake_llm, open_worker, post, run_until_idle, story_of
from tests.fakes.llm_server import hangs, says

pytestmark = pytest.mark.django_db(transaction=True)
HELLO = b'data: {"choices":[{"index":0,"delta":{"content":"Ho"}}]}\n\n'


def with_strategy(house: House, strategy: str) -> House:
    with tenant_scope(house.id):
        Agent.objects.update(while_busy=strategy)
    return ask_fake_llm(house)


def test_it_refuses_a_message_when_the_agent_says_so(acme: House) -> None:
    with_strategy(acme, "reject")
    first = post(acme, "uno", agent="desk")
    with pytest.raises(SessionBusy):
        post(acme, "dos", first.session_id, agent="desk")
    with tenant_scope(acme.id):
        assert Message.objects.count() == 1


def test_it_takes_a_message_once_the_agent_is_free_again(acme: House) -> None:
    with_strategy(acme, "reject")
    first = post(acme, "uno", agent="desk")
    with tenant_scope(acme.id):
        first.task.status = "completed"
        first.task.save(update_fields=["status"])
    assert post(acme, "dos", first.session_id, agent="desk").task.status == "queued"


def test_it_cancels_waiting_tasks_when_the_agent_is_to_be_interrupted(acme: House) -> None:
    with_strategy(acme, "interrupt")
    first = post(acme, "uno", agent="desk")
    second = post(acme, "dos", first.session_id, agent="desk")
    assert Story(acme, first.task.id).task.status == "cancelled"
    assert Story(acme, second.task.id).task.status == "queued"


async def test_it_stops_a_running_answer_and_gives_the_next_one(acme: House) -> None:
    shop = await sync_to_async(with_strategy)(acme, "interrupt")
    async with open_worker(hangs(HELLO), says("dos")) as (worker, fake):
        first = await apost(shop, "uno", agent="desk")
        running = asyncio.create_task(worker.run_forever())
        async with asyncio.timeout(5):
            while not fake.calls:
                await asyncio.sleep(0.005)
            second = await apost(shop, "dos", first.session_id, agent="desk")
            while (await story_of(shop, second.task.id)).task.status != "completed":
                await asyncio.sleep(0.01)
        await worker.drain()
        await running
    assert fake.calls[0].was_closed
    assert (await story_of(shop, first.task.id)).task.status == "cancelled"
    assert (await story_of(shop, second.task.id)).answer == "dos"


async def test_it_lets_a_message_wait_by_default(acme: House) -> None:
    shop = await sync_to_async(ask_fake_llm)(acme)
    async with open_worker(says("uno"), says("dos")) as (worker, _):
        first = await apost(shop, "uno", agent="desk")
        second = await apost(shop, "dos", first.session_id, agent="desk")
        await run_until_idle(worker)
    assert (await story_of(shop, first.task.id)).answer == "uno"
    assert (await story_of(shop, second.task.id)).answer == "dos"
