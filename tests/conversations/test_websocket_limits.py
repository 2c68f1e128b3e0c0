import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations import key_watch
from conversations.models import Message, Session
from tenants.models import ApiKey, TierOverride
from tenants.scope import in_tenant, tenant_scope
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House, make_session
from tests.conversations.sockets import Socket, connect, key_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(acme: House) -> Session:
    return make_session(acme.tenant)


async def limit(house: House, name: str, value: int) -> None:
    await in_tenant(house.id, TierOverride(limit=name, value=value, reason="test").save)


async def test_opening_a_socket_is_a_request(acme: House, session: Session) -> None:
    await limit(acme, "requests_per_minute", 1)
    key = await key_of(acme)
    async with connect(f"/ws/acme/{session.id}", key=key):
        pass
    async with connect(f"/ws/acme/{session.id}", key=key) as refused:
        assert await refused.read_refusal() == ("rate_limited", 4429)


async def test_a_message_beyond_the_limit_is_refused_and_the_socket_stays_open(
    acme: House, session: Session
) -> None:
    await limit(acme, "requests_per_minute_per_session", 2)
    async with connect(f"/ws/acme/{session.id}", key=await key_of(acme)) as socket:
        await socket.say(type="chat.send", message="uno", request_id="r1")
        await socket.read_until("chat.accepted")
        await socket.say(type="chat.send", message="dos", request_id="r2")
        error = (await socket.read_until("error"))[-1]["data"]
        assert (error["code"], error["request_id"]) == ("rate_limited", "r2")
        assert 0 < error["retry_after"] <= 30
        await socket.say(type="ping")
        await socket.read_until("pong")
    messages = await in_tenant(acme.id, lambda: [row.content for row in Message.objects.all()])
    assert messages == ["uno"]


async def test_one_customers_sockets_leave_room_for_other_customers(acme: House) -> None:
    await limit(acme, "max_sockets_per_user", 1)
    names = ("ana", "ana", "luis", "", "")
    anas, anas_too, luis, nobodys, others = await in_tenant(acme.id, sessions_of, acme, names)
    key = await key_of(acme)
    async with AsyncExitStack() as stack:
        for session in (anas, luis, nobodys, others):
            path = f"/ws/acme/{session.id}"
            socket = await stack.enter_async_context(connect(path, key=key))
            await socket.say(type="ping")
            await socket.read_until("pong")
        for session in (anas_too, nobodys):
            async with connect(f"/ws/acme/{session.id}", key=key) as refused:
                assert await refused.read_refusal() == ("sockets_exhausted", 4429)
        # A stream takes a place like a socket.
        url = f"/api/v1/sessions/{anas_too.id}/stream"
        answer = await sync_to_async(Caller(key).get)(url)
        assert_problem(answer, 429, "sockets_exhausted")


def sessions_of(house: House, names: Sequence[str]) -> list[Session]:
    return [make_session(house.tenant, user_ref=name) for name in names]


async def test_what_a_key_loses_it_loses_on_open_sockets(
    acme: House, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "CHECK_SECONDS", 0.02)
    async with connect(f"/ws/acme/{session.id}", key=await key_of(acme)) as socket:
        await socket.say(type="chat.send", message="uno")
        await socket.read_until("chat.accepted")
        await in_tenant(acme.id, lambda: ApiKey.objects.update(scopes=["tasks:read"]))
        told: dict[str, Any] = {"type": ""}
        async with asyncio.timeout(30):
            while told["type"] != "error":
                await socket.say(type="chat.send", message="dos")
                told = await answer_on(socket)
                await asyncio.sleep(0.05)
        assert told["data"]["code"] == "scope_missing"
        await socket.say(type="ping")
        await socket.read_until("pong")


async def answer_on(socket: Socket) -> dict[str, Any]:
    while (frame := await socket.read())["type"] not in {"chat.accepted", "error"}:
        pass
    return frame


def test_an_event_stream_is_a_request(acme: House, session: Session) -> None:
    caller = Caller(make_key(acme.tenant))
    with tenant_scope(acme.id):
        TierOverride.objects.create(limit="requests_per_minute", value=1, reason="test")
    path = f"/api/v1/sessions/{session.id}/stream"
    assert caller.get(path)["RateLimit-Policy"] == '"tenant";q=1;w=60'
    assert_problem(caller.get(path), 429, "rate_limited")
