from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations.models import Message, Session, Task
from tenants.scope import in_tenant, tenant_scope
from tests.callers import NO_SUCH_ID
from tests.cast import House, make_session
from tests.conversations.live_writer import start_writer
from tests.conversations.sockets import Closed, Socket, connect, key_of
from tests.engine import apost

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(acme: House) -> Session:
    return make_session(acme.tenant)


@pytest.fixture
async def socket(acme: House, session: Session) -> AsyncIterator[Socket]:
    async with connect(f"/ws/acme/{session.id}", key=await key_of(acme)) as opened:
        yield opened


async def told(socket: Socket, **frame: Any) -> dict[str, Any]:
    await socket.say(request_id="r1", **frame)
    return (await socket.read_until("error"))[-1]["data"]


async def test_a_message_is_accepted_and_announced(
    acme: House, session: Session, socket: Socket
) -> None:
    await socket.say(type="chat.send", message="¿Tienen tubos?", request_id="r1", context=None)
    frames = [await socket.read() for _ in range(3)]
    accepted = next(f for f in frames if f["type"] == "chat.accepted")
    created = next(f for f in frames if f["type"] == "message.created")
    assert accepted["data"]["request_id"] == "r1"
    assert accepted["data"]["task_id"] == created["task_id"]
    assert created["data"]["content"] == "¿Tienen tubos?"
    assert created["session_id"] == str(session.id)


async def test_a_message_says_what_its_task_is_told(
    acme: House, session: Session, socket: Socket
) -> None:
    frame = {"prompt_label": "production", "task_type": "refund"}
    await socket.say(type="chat.send", message="hola", **frame)
    await socket.read_until("chat.accepted")
    found = await in_tenant(acme.id, Task.objects.get, session=session)
    assert (found.prompt_label, found.task_type) == ("production", "refund")


async def test_a_task_is_cancelled(acme: House, session: Session, socket: Socket) -> None:
    posted = await apost(acme, "¿Tienen tubos?", session.id)
    await socket.say(type="chat.cancel", task_id=str(posted.task.id))
    frames = await socket.read_until("task.status_changed", status="cancelled")
    assert frames[-1]["task_id"] == str(posted.task.id)


async def test_tasks_of_other_sessions_are_out_of_reach(
    acme: House, rival: House, socket: Socket
) -> None:
    for house in (acme, rival):
        posted = await apost(house, "¿Tienen tubos?")
        error = await told(socket, type="chat.cancel", task_id=str(posted.task.id))
        assert (error["code"], error["request_id"]) == ("not_found", "r1")
    assert (await told(socket, type="chat.cancel", task_id=NO_SUCH_ID))["code"] == "not_found"


BAD_FRAMES = {
    "not JSON": ("{", "malformed_json"),
    "not an object": ("[]", "validation_failed"),
    "no type": ("{}", "validation_failed"),
    "unknown type": ('{"type": "chat.sing"}', "validation_failed"),
    "type of a wrong type": ('{"type": ["ping"]}', "validation_failed"),
    "NUL": ('{"type": "chat.send", "message": "a\\u0000"}', "invalid_encoding"),
    "lone surrogate": ('{"type": "chat.send", "message": "\\ud800"}', "invalid_encoding"),
    "deep": ('{"type": "chat.send", "context": ' + '{"a":' * 80 + "1" + "}" * 81, "too_deep"),
    "no message": ('{"type": "chat.send"}', "validation_failed"),
    "empty message": ('{"type": "chat.send", "message": " "}', "message_empty"),
    "message of a wrong type": ('{"type": "chat.send", "message": 5}', "validation_failed"),
    "too long": (f'{{"type": "chat.send", "message": "{"x" * 40_000}"}}', "message_too_long"),
    "unknown agent": ('{"type": "chat.send", "message": "x", "agent": "no"}', "unknown_agent"),
    "no task": ('{"type": "chat.cancel"}', "validation_failed"),
    "malformed task": ('{"type": "chat.cancel", "task_id": "7"}', "validation_failed"),
    "malformed cursor": ('{"type": "resume", "cursor": "x"}', "malformed_cursor"),
    "no cursor": ('{"type": "ack"}', "validation_failed"),
    "long request_id": (f'{{"type": "ping", "request_id": "{"x" * 65}"}}', "validation_failed"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_a_bad_frame_is_an_error_and_the_socket_stays(
    acme: House, socket: Socket, name: str
) -> None:
    text, code = BAD_FRAMES[name]
    await socket.say_raw(text)
    error = await socket.read()
    assert (error["type"], error["data"]["code"]) == ("error", code)
    assert {"type", "title", "status", "detail", "request_id", "retryable"} <= error["data"].keys()
    await socket.say(type="ping", request_id="still here")
    pong = await socket.read()
    assert (pong["type"], pong["data"]["request_id"]) == ("pong", "still here")
    assert await sync_to_async(num_rows)(acme) == 0


async def test_a_binary_frame_is_an_error(socket: Socket) -> None:
    await socket.say_raw(binary=b'{"type": "ping"}')
    assert (await socket.read())["data"]["code"] == "validation_failed"


@pytest.mark.parametrize("text", ["x" * 65_537, "é" * 40_000])
async def test_an_oversized_frame_closes_it(socket: Socket, text: str) -> None:
    await socket.say_raw(text)
    assert await socket.read_refusal() == ("body_too_large", 1009)


async def test_too_many_frames_close_it(socket: Socket) -> None:
    for _ in range(25):
        await socket.say(type="pong")
    assert await socket.read_refusal() == ("too_many_frames", 4429)


async def test_a_key_that_may_only_read_may_not_speak(acme: House, session: Session) -> None:
    key = await key_of(acme, "tasks:read")
    async with connect(f"/ws/acme/{session.id}", key=key) as socket:
        for frame in ({"type": "chat.send", "message": "x"}, {"type": "chat.cancel"}):
            assert (await told(socket, **frame))["code"] == "scope_missing"


async def test_resume_begins_again_from_the_cursor(acme: House) -> None:
    writer = await start_writer(acme)
    key = await key_of(acme)
    async with connect(f"/ws/acme/{writer.session_id}?cursor=latest", key=key) as socket:
        await writer.say("Sí")
        await socket.read_until("message.delta")
        await socket.say(type="resume", cursor="2")
        frames = await socket.read_until("message.delta")
    kinds = [frame["type"] for frame in frames]
    assert kinds[0] == "resumed"
    assert [f["seq"] for f in frames if f["type"].startswith(("task", "step"))] == [3, 4]
    assert kinds[-2:] == ["message.reset", "message.delta"]


async def test_every_frame_bears_a_complete_cursor(acme: House) -> None:
    writer = await start_writer(acme)
    path = f"/ws/acme/{writer.session_id}"
    key = await key_of(acme)
    await writer.say("Sí, ")
    async with connect(path, key=key) as socket:
        await socket.read_until("message.delta")
        await socket.say(type="ping")
        cursor = (await socket.read_until("pong"))[-1]["cursor"]
    await writer.say("claro")
    async with connect(f"{path}?cursor={cursor}", key=key) as socket:
        assert (await socket.read())["data"]["text"] == "claro"


def num_rows(house: House) -> int:
    with tenant_scope(house.id):
        return Message.objects.count() + Task.objects.count()


async def test_a_socket_closes_once_only(socket: Socket) -> None:
    await socket.say_raw("x" * 70_000)
    await socket.say_raw("x" * 70_000)
    with pytest.raises(Closed):
        await socket.read_until("nothing")
    assert await socket.is_silent()
