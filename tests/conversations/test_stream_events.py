import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations import live
from conversations.connections import connections
from conversations.hub import get_hub
from tenants.models import ApiKey
from tenants.scope import scopes_disabled
from tests.callers import NO_SUCH_ID
from tests.cast import House
from tests.conversations.live_story import PlainClient
from tests.conversations.live_writer import Writer, start_writer
from tests.conversations.sockets import key_of
from tests.conversations.streams import StreamReader, follow

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def writer(acme: House) -> Writer:
    return await start_writer(acme)


@pytest.fixture
async def key(acme: House) -> str:
    return await key_of(acme)


def of_task(writer: Writer) -> str:
    return f"/api/v1/tasks/{writer.task.id}/stream"


def of_session(writer: Writer) -> str:
    return f"/api/v1/sessions/{writer.session_id}/stream"


async def read_until(stream: StreamReader, kind: str) -> str:
    """The id of the first event of this type."""
    async with asyncio.timeout(30):
        while (event := await stream.read()) is not None:
            if event.kind == kind:
                return event.id
    raise AssertionError(f"the stream ended without {kind}")


async def test_it_follows_a_task_to_its_end(writer: Writer, key: str) -> None:
    client = PlainClient()
    async with follow(of_task(writer), key=key) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "no-cache" in stream.headers["cache-control"]
        await writer.say("Sí, ", "tenemos 🎉")
        await writer.finish()
        events = await stream.read_all()
    assert [e.kind for e in events][-3:] == ["chat.response", "task.status_changed", "end"]
    assert all(e.id == e.frame["cursor"] and e.kind == e.frame["type"] for e in events)
    for event in events[:-1]:
        client.take(event.frame)
    assert client.answers == {str(writer.message_id): "Sí, tenemos 🎉"}
    assert stream.comments[0] == "retry: 1000"


async def test_it_resumes_after_the_last_event_id(writer: Writer, key: str) -> None:
    async with follow(of_task(writer), key=key) as stream:
        await writer.say("Sí, ")
        last = await read_until(stream, "message.delta")
    await writer.say("tenemos")
    await writer.finish()
    async with follow(f"{of_task(writer)}?cursor=0", key=key, last_event_id=last) as stream:
        events = await stream.read_all()
    answer = ["step.recorded", "message.delta", "chat.response", "task.status_changed", "end"]
    assert [e.kind for e in events] == answer
    texts = [e.frame["data"]["text"] for e in events if e.kind == "message.delta"]
    assert texts == ["tenemos"]
    async with follow(of_task(writer), key=key, last_event_id=events[-1].id) as stream:
        assert stream.status == 204


async def test_a_session_is_followed_over_several_tasks(writer: Writer, key: str) -> None:
    async with follow(f"{of_session(writer)}?cursor=latest", key=key) as stream:
        await writer.finish()
        await read_until(stream, "chat.response")
        second = await start_writer(writer.house, writer.session_id)
        await second.say("Claro")
        await read_until(stream, "message.created")
        await read_until(stream, "message.delta")


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json", "*/*", "image/png"])
async def test_any_accept_header_will_do(writer: Writer, key: str, accept: str) -> None:
    async with follow(of_task(writer), key=key, accept=accept) as stream:
        assert stream.status == 200


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/api/v1/tasks/{none}/stream", {}, 404, "not_found"),
        ("/api/v1/sessions/{none}/stream", {}, 404, "not_found"),
        ("{task}", {"authorization": "Bearer x"}, 401, "key_invalid"),
        ("{task}?cursor=x", {}, 400, "malformed_cursor"),
        ("{session}?cursor=99", {}, 400, "malformed_cursor"),
        ("{task}", {"last_event_id": "%00"}, 400, "malformed_cursor"),
    ],
)
async def test_refusals_are_problems(
    writer: Writer, key: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    place = path.format(none=NO_SUCH_ID, task=of_task(writer), session=of_session(writer))
    sent = {"authorization": f"Bearer {key}"} | headers
    async with follow(place, **sent) as stream:
        assert stream.status == status
        assert stream.headers["content-type"] == "application/problem+json"
        assert json.loads(await stream.read_body())["code"] == code


async def test_another_tenants_task_is_no_task(writer: Writer, rival: House) -> None:
    key = await key_of(rival)
    for place in (of_task(writer), of_session(writer)):
        async with follow(place, key=key) as stream:
            assert stream.status == 404


async def test_a_client_that_leaves_is_forgotten(writer: Writer, key: str) -> None:
    group = live.group_name(writer.house.id, writer.session_id)
    async with follow(of_session(writer), key=key) as stream:
        await read_until(stream, "message.created")
        assert get_hub().num_watchers(group) == 1
    assert get_hub().num_watchers(group) == 0
    assert len(connections.seats) == 0


async def test_in_silence_come_comments(writer: Writer, key: str, settings: Any) -> None:
    settings.ORKESTA_PING_INTERVAL_SECONDS = 0.05
    async with follow(of_session(writer), key=key) as stream:
        await read_until(stream, "step.recorded")
        await asyncio.sleep(0.15)
        await writer.finish()
        await read_until(stream, "chat.response")
    assert f": ping {writer.last_seq - 3}" in stream.comments


async def test_a_revoked_key_ends_it(
    writer: Writer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.key_watch.CHECK_SECONDS", 0.05)
    async with follow(of_session(writer), key=key) as stream:
        await read_until(stream, "step.recorded")
        await sync_to_async(revoke_all)()
        events = await stream.read_all()
    assert [e.kind for e in events] == ["error", "end"]
    assert events[0].frame["data"]["code"] == "key_revoked"


async def test_head_answers_without_a_stream(writer: Writer, key: str) -> None:
    async with follow(of_task(writer), key=key, method="HEAD") as stream:
        assert (stream.status, await stream.read_body()) == (200, b"")


async def test_there_are_as_many_as_allowed(writer: Writer, key: str, settings: Any) -> None:
    settings.ORKESTA_MAX_SOCKETS = 1
    async with follow(of_session(writer), key=key) as first:
        await read_until(first, "message.created")
        async with follow(of_session(writer), key=key) as second:
            assert second.status == 429
            assert second.headers["retry-after"] == "5"


def revoke_all() -> None:
    with scopes_disabled():
        ApiKey.objects.update(revoked_at="2026-01-01T00:00Z")
