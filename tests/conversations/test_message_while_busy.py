import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from conversations.errors import SessionBusy
from conversations.models import Message, Task
from routing.models import Agent
from tenants.scope import tenant_scope
from tests.cast import House, make_session
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


def at_once(house: House, session_id: UUID) -> list[bool]:
    """Eight messages at the same moment: whether each was taken."""
    start = Barrier(8)

    def send(number: int) -> bool:
        start.wait(10)
        try:
            post(house, f"mensaje {number}", session_id, agent="desk")
        except SessionBusy:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(send, range(8)))


def statuses(house: House) -> Counter[str]:
    with tenant_scope(house.id):
        return Counter(Task.objects.values_list("status", flat=True))


def test_of_messages_at_once_it_takes_one_and_refuses_the_others(acme: House) -> None:
    session = make_session(with_strategy(acme, "reject").tenant)
    assert sum(at_once(acme, session.id)) == 1
    assert statuses(acme) == {"queued": 1}


def test_of_messages_at_once_the_last_interrupts_the_others(acme: House) -> None:
    session = make_session(with_strategy(acme, "interrupt").tenant)
    assert all(at_once(acme, session.id))
    assert statuses(acme) == {"queued": 1, "cancelled": 7}


def test_messages_at_once_all_wait_by_default(acme: House) -> None:
    session = make_session(with_strategy(acme, "enqueue").tenant)
    assert all(at_once(acme, session.id))
    assert statuses(acme) == {"queued": 8}


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
        async with asyncio.timeout(30):
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
