import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from conversations import live, watcher
from conversations.cursor import Frame
from conversations.errors import SessionNotFound
from conversations.hub import get_hub
from conversations.watcher import LATEST, Watcher
from orkesta.errors import MalformedCursor
from tests.cast import House
from tests.conversations.live_story import PlainClient
from tests.conversations.live_writer import Writer, start_writer
from tests.fakes.channel_layers import ClosedLayer, DroppingLayer, FailingLayer, use_layer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "POLL_SECONDS", 0.05)


@pytest.fixture(autouse=True)
async def _loop() -> None:
    live.bind_loop()


def watch(writer: Writer, **values: Any) -> Watcher:
    return Watcher(tenant_id=writer.house.id, session_id=writer.session_id, **values)


async def read_until(watching: Watcher, kind: str) -> list[dict[str, Any]]:
    """Frames, decoded, up to the first of this type that says nothing comes after it."""
    told: list[Frame] = []
    async with asyncio.timeout(30):
        while True:
            told += await watching.pull()
            found = [json.loads(frame.text) for frame in told]
            if any(f["type"] == kind and f["data"].get("status") != "processing" for f in found):
                return found


def types(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["type"] for frame in frames if frame["type"] != "ping"]


def texts(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["data"]["text"] for frame in frames if frame["type"] == "message.delta"]


async def test_it_forwards_what_happens_in_order(acme: House) -> None:
    writer = await start_writer(acme)
    async with watch(writer, cursor=LATEST) as watching:
        reading = asyncio.create_task(read_until(watching, "task.status_changed"))
        await asyncio.sleep(0.02)
        await writer.say("Sí, ", "tenemos.")
        await writer.finish()
        frames = await reading
    wanted = ["message.delta", "message.delta", "step.recorded", "chat.response"]
    assert types(frames) == [*wanted, "task.status_changed"]
    assert [f["seq"] for f in frames[2:]] == [5, 6, 7]


async def test_it_tells_a_latecomer_the_whole_story(acme: House) -> None:
    writer = await start_writer(acme)
    await writer.say("Sí, ")
    async with watch(writer) as watching:
        frames = await read_until(watching, "message.delta")
    assert types(frames)[:2] == ["message.created", "task.status_changed"]
    assert types(frames)[-2:] == ["message.reset", "message.delta"]
    assert texts(frames) == ["Sí, "]


async def test_it_resumes_in_the_middle_of_a_message(acme: House) -> None:
    writer = await start_writer(acme)
    await writer.say("Sí, ")
    async with watch(writer) as watching:
        cursor = (await read_until(watching, "message.delta"))[-1]["cursor"]
    await writer.say("tenemos ", "🎉")
    async with watch(writer, cursor=cursor) as watching:
        assert texts(await read_until(watching, "message.delta")) == ["tenemos 🎉"]


async def test_it_gives_the_tail_of_a_message_completed_meanwhile(acme: House) -> None:
    writer = await start_writer(acme)
    await writer.say("Sí, ")
    async with watch(writer) as watching:
        cursor = (await read_until(watching, "message.delta"))[-1]["cursor"]
    await writer.say("tenemos")
    await writer.finish()
    async with watch(writer, cursor=cursor) as watching:
        frames = await read_until(watching, "task.status_changed")
    assert texts(frames) == ["tenemos"]
    assert types(frames).index("message.delta") < types(frames).index("chat.response")


@pytest.mark.parametrize("layer", [DroppingLayer, FailingLayer, ClosedLayer])
async def test_it_works_when_the_layer_delivers_nothing(
    acme: House, settings: Any, layer: type[DroppingLayer]
) -> None:
    use_layer(settings, layer)
    writer = await start_writer(acme)
    client = PlainClient()
    async with watch(writer) as watching:
        reading = asyncio.create_task(read_until(watching, "chat.response"))
        for piece in ("Sí, ", "tenemos ", "tubos."):
            await writer.say(piece)
            await asyncio.sleep(0.06)
        await writer.finish()
        frames = await reading
    for frame in frames:
        client.take(frame)
    assert client.answers == {str(writer.message_id): "Sí, tenemos tubos."}
    assert len(texts(frames)) > 1


async def test_an_idle_watcher_finds_lost_events_with_its_ping(acme: House, settings: Any) -> None:
    use_layer(settings, DroppingLayer)
    settings.ORKESTA_PING_INTERVAL_SECONDS = 0.1
    writer = await start_writer(acme)
    await writer.finish()
    async with watch(writer, cursor=LATEST) as watching:
        await read_until(watching, "ping")
        await writer.record("session.status_changed", status="closed")
        frames = await read_until(watching, "session.status_changed")
    assert frames[0]["type"] == "ping"
    assert frames[0]["data"]["seq"] == frames[1]["seq"] == writer.last_seq


async def test_from_now_on_means_a_cursor_of_now(acme: House, settings: Any) -> None:
    settings.ORKESTA_PING_INTERVAL_SECONDS = 0.05
    writer = await start_writer(acme)
    async with watch(writer, cursor=LATEST) as watching:
        frames = await read_until(watching, "ping")
    assert (frames[-1]["cursor"], watching.cursor) == ("4", "4")


async def test_a_watcher_that_lags_reads_the_database_instead(acme: House) -> None:
    writer = await start_writer(acme)
    client = PlainClient()
    async with watch(writer) as watching:
        for frame in await watching.pull():
            client.take(json.loads(frame.text))
        for number in range(400):
            await writer.say(f"{number} ")
        await asyncio.sleep(0.02)
        await writer.finish()
        for frame in await read_until(watching, "chat.response"):
            client.take(frame)
    assert client.answers[str(writer.message_id)] == writer.text


async def test_it_tells_one_task_only_and_ends_with_it(acme: House) -> None:
    writer = await start_writer(acme)
    async with watch(writer, task_id=writer.task.id) as watching:
        await writer.say("Sí")
        other = await start_writer(acme, writer.session_id)
        await other.say("No")
        await writer.finish()
        frames: list[Frame] = []
        async with asyncio.timeout(30):
            while not watching.is_over:
                frames += await watching.pull()
    assert {frame.event.task_id for frame in frames} == {writer.task.id}
    assert frames[-1].event.type == "task.status_changed"
    async with watch(writer, task_id=writer.task.id, cursor=frames[-1].cursor) as watching:
        assert (await watching.pull(), watching.is_over) == ([], True)


async def test_it_refuses_a_cursor_from_the_future(acme: House) -> None:
    writer = await start_writer(acme)
    async with watch(writer, cursor="99") as watching:
        with pytest.raises(MalformedCursor):
            await watching.pull()


async def test_another_tenants_session_is_no_session(acme: House, rival: House) -> None:
    writer = await start_writer(acme)
    for tenant_id, session_id in [(rival.id, writer.session_id), (acme.id, uuid4())]:
        async with Watcher(tenant_id=tenant_id, session_id=session_id) as watching:
            with pytest.raises(SessionNotFound):
                await watching.pull()


async def test_it_leaves_the_group_when_it_ends(acme: House) -> None:
    writer = await start_writer(acme)
    group = live.group_name(acme.id, writer.session_id)
    async with watch(writer), watch(writer):
        assert get_hub().num_watchers(group) == 2
    assert get_hub().num_watchers(group) == 0
