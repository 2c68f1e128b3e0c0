import pytest

from conversations.models import Message, Session
from tenants.models import TierOverride
from tenants.scope import in_tenant, tenant_scope
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House, make_session
from tests.conversations.sockets import connect, key_of

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


def test_an_event_stream_is_a_request(acme: House, session: Session) -> None:
    caller = Caller(make_key(acme.tenant))
    with tenant_scope(acme.id):
        TierOverride.objects.create(limit="requests_per_minute", value=1, reason="test")
    path = f"/api/v1/sessions/{session.id}/stream"
    assert caller.get(path)["RateLimit-Policy"] == '"tenant";q=1;w=60'
    assert_problem(caller.get(path), 429, "rate_limited")
