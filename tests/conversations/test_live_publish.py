import asyncio
import logging
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import InMemoryChannelLayer
from django.db import transaction

from conversations import live
from conversations.hub import Inbox, get_hub
from conversations.live_event import LiveEvent
from tests.conversations.live_story import SESSION, ephemeral, fact
from tests.fakes.channel_layers import FailingLayer, use_layer

TENANT = UUID(int=9)


@pytest.fixture
async def inbox() -> Inbox:
    live.bind_loop()
    joined = Inbox()
    await get_hub().join(live.group_name(TENANT, SESSION), joined)
    return joined


async def arrived(inbox: Inbox, number: int) -> list[LiveEvent]:
    events: list[LiveEvent] = []
    async with asyncio.timeout(30):
        while len(events) < number:
            await inbox.wait(1)
            while (event := inbox.take()) is not None:
                events.append(event)
    return events


async def test_events_arrive_in_order_and_as_they_were(inbox: Inbox) -> None:
    sent = [fact(n, "message.created", content="año 🎉", number=n) for n in range(1, 100)]
    for event in sent:
        await live.publish(TENANT, SESSION, [event])
    assert await arrived(inbox, 99) == sent


async def test_a_session_hears_its_own_events_only(inbox: Inbox) -> None:
    await live.publish(TENANT, uuid4(), [fact(1)])
    await live.publish(uuid4(), SESSION, [fact(2)])
    await live.publish(TENANT, SESSION, [fact(3)])
    assert [event.seq for event in await arrived(inbox, 1)] == [3]


@pytest.mark.django_db(transaction=True)
async def test_nothing_is_told_before_the_commit_nor_after_a_rollback(inbox: Inbox) -> None:
    def write() -> LiveEvent | None:
        with transaction.atomic():
            live.publish_on_commit(TENANT, SESSION, [fact(1)])
            transaction.set_rollback(True)
        with transaction.atomic():
            live.publish_on_commit(TENANT, SESSION, [fact(2)])
            time.sleep(0.05)
            return inbox.take()

    assert await sync_to_async(write)() is None
    assert [event.seq for event in await arrived(inbox, 1)] == [2]


@pytest.mark.django_db(transaction=True)
async def test_many_threads_may_publish_at_once(inbox: Inbox) -> None:
    def write(number: int) -> None:
        live.publish_on_commit(TENANT, SESSION, [fact(number)])

    numbers = range(1, 101)
    await asyncio.gather(*(asyncio.to_thread(write, number) for number in numbers))
    assert {event.seq for event in await arrived(inbox, 100)} == set(numbers)


async def test_a_failing_layer_is_told_of_once_and_harms_nobody(
    inbox: Inbox, settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_layer(settings, FailingLayer)
    monkeypatch.setattr(live, "_complained_at", -1e9)
    FailingLayer.num_failures = 0
    for number in (1, 2, 3):
        await live.publish(TENANT, SESSION, [fact(number)])
        await asyncio.sleep(0.01)
    assert [event.seq for event in await arrived(inbox, 3)] == [1, 2, 3]
    assert FailingLayer.num_failures == 3
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1


class HangingLayer(InMemoryChannelLayer):
    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await asyncio.Event().wait()


async def test_a_hanging_layer_holds_up_nobody_and_fills_no_memory(
    inbox: Inbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_layer(settings, HangingLayer)
    monkeypatch.setattr(live, "MAX_WAITING", 50)
    for number in range(1, 1000):
        await live.publish(TENANT, SESSION, [ephemeral("message.delta", {}, seq=number)])
        if number == 1:
            await asyncio.sleep(0.01)
    assert live._outbox(asyncio.get_running_loop())._num_waiting <= 51


def test_without_a_server_nobody_is_told_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_server_loop", None)
    live._hand_over(live.group_name(TENANT, SESSION), [fact(1)])


async def test_one_message_of_the_layer_serves_every_watcher_of_the_process(
    inbox: Inbox, settings: Any
) -> None:
    inboxes = [inbox, *(Inbox() for _ in range(20))]
    group = live.group_name(TENANT, SESSION)
    for joined in inboxes[1:]:
        await get_hub().join(group, joined)
    await live.publish(TENANT, SESSION, [fact(1)])
    got = [(await arrived(joined, 1))[0] for joined in inboxes]
    assert all(event is got[0] for event in got)


async def test_an_event_reads_the_same_live_and_from_its_row() -> None:
    event = fact(1, "message.created", created_at="2026-11-20T12:30:15.123Z", content="é")
    wire = event.wire()
    assert wire["at"] == "2026-11-20T12:30:15.123Z"
    assert wire["cursor"] == "1"
    assert LiveEvent.unpacked(event.packed() | {"session_id": str(SESSION), "task_id": None}) == (
        LiveEvent(event.type, SESSION, None, 1, event.at, event.data)
    )
