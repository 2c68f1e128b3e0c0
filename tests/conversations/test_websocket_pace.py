import asyncio
from typing import Any

import pytest

from conversations.backlog import BURST, RATE, Backlog
from conversations.models import Session
from orkesta.asgi import application
from tests.cast import House, make_session
from tests.conversations.live_writer import start_writer
from tests.conversations.sockets import connect, key_of


def test_a_burst_is_free_and_then_comes_a_steady_stream() -> None:
    backlog = Backlog()
    backlog.sent(BURST, mark="a", now=0.0)
    assert backlog.wait(RATE, now=0.0) == pytest.approx(1.0)
    assert backlog.wait(RATE, now=1.0) == 0.0


def test_a_proof_frees_what_was_sent_before_it() -> None:
    backlog = Backlog()
    backlog.sent(BURST // 2, mark="a", now=0.0)
    backlog.sent(BURST // 2, mark="b", now=0.0)
    assert backlog.wait(1, now=0.0) > 0
    assert backlog.heard("a")
    assert backlog.wait(BURST // 2, now=0.0) == 0.0
    assert backlog.wait(BURST // 2 + 1, now=0.0) > 0


@pytest.mark.parametrize("mark", ["", "never sent", "a"])
def test_what_was_never_sent_or_is_known_proves_nothing(mark: str) -> None:
    backlog = Backlog()
    backlog.sent(10, mark="a", now=0.0)
    assert backlog.heard("a")
    backlog.sent(BURST, mark="b", now=0.0)
    assert not backlog.heard(mark)
    assert backlog.wait(1, now=0.0) > 0


def test_a_frame_larger_than_a_burst_is_sent_on_an_empty_line() -> None:
    backlog = Backlog()
    assert backlog.wait(3 * BURST, now=0.0) == 0.0
    backlog.sent(3 * BURST, mark="a", now=0.0)
    assert backlog.wait(1, now=0.0) > 0


class Server:
    """Hands messages on like a server whose line is slow, or blocked after `num_frames`."""

    def __init__(self, *, seconds: float = 0.0, num_frames: int = 1_000_000) -> None:
        self.seconds, self.left = seconds, num_frames

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def slow_send(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.send":
                self.left -= 1
                if self.left < 0:
                    await asyncio.Event().wait()
            await send(message)
            await asyncio.sleep(self.seconds)

        await application(scope, receive, slow_send)


@pytest.fixture
def session(acme: House) -> Session:
    return make_session(acme.tenant)


@pytest.mark.django_db(transaction=True)
async def test_an_answer_between_two_events_bears_the_cursor_of_the_first(acme: House) -> None:
    writer = await start_writer(acme)
    for number in range(20):
        await writer.record("session.status_changed", number=number)
    path = f"/ws/acme/{writer.session_id}"
    async with connect(path, key=await key_of(acme), server=Server(seconds=0.005)) as socket:
        frames = await socket.read_until("message.created")
        await socket.say(type="ping")
        frames += await socket.read_until("pong")
    assert frames[-1]["cursor"] == frames[-2]["cursor"] != "24"


@pytest.mark.django_db(transaction=True)
async def test_who_takes_nothing_from_the_line_is_given_up(
    acme: House, session: Session, settings: Any
) -> None:
    settings.ORKESTA_PING_INTERVAL_SECONDS = settings.ORKESTA_PING_TIMEOUT_SECONDS = 0.1
    path = f"/ws/acme/{session.id}"
    async with connect(path, key=await key_of(acme), server=Server(num_frames=1)) as socket:
        await socket.read_until("ping")
        message = await socket._communicator.receive_output(30)
    assert (message["type"], message["code"]) == ("websocket.close", 4408)


@pytest.mark.django_db(transaction=True)
async def test_who_has_answered_a_ping_has_to_go_on(
    acme: House, session: Session, settings: Any
) -> None:
    settings.ORKESTA_PING_INTERVAL_SECONDS, settings.ORKESTA_PING_TIMEOUT_SECONDS = 0.05, 1.0
    path, key = f"/ws/acme/{session.id}", await key_of(acme)
    async with connect(path, key=key) as plain, connect(path, key=key) as polite:
        for _ in range(8):
            ping = (await polite.read_until("ping"))[-1]
            await polite.say(type="pong", id=ping["data"]["id"])
        assert await polite.read_refusal() == ("too_slow", 4408)
        await plain.say(type="ping")
        await plain.read_until("pong")
