import asyncio
from typing import Any
from uuid import UUID

import pytest

from conversations.consumers.closing import CloseCode, close
from conversations.pulse import look
from tests.cast import House
from tests.conversations.sockets import connect, key_of
from tests.engine import apost

pytestmark = pytest.mark.django_db(transaction=True)


class Server:
    """Says registered close codes, or, as daphne's library does, only 1000 and private ones."""

    def __init__(self, *, is_daphne: bool = False, is_gone: bool = False) -> None:
        self.said: list[int] = []
        self._is_daphne, self._is_gone = is_daphne, is_gone

    async def send(self, message: dict[str, Any]) -> None:
        if self._is_gone:
            raise OSError("the client has gone")
        if self._is_daphne and 1000 < message["code"] < 3000:
            raise Exception(f"invalid close code {message['code']}")
        self.said.append(message["code"])


@pytest.mark.parametrize(
    ("server", "code", "said"),
    [
        (Server(), CloseCode.TRY_LATER, [1013]),
        (Server(is_daphne=True), CloseCode.TRY_LATER, [4013]),
        (Server(is_daphne=True), CloseCode.NOT_FOUND, [4404]),
        (Server(is_gone=True), CloseCode.TRY_LATER, []),
    ],
)
async def test_a_close_is_said_in_whatever_code_the_server_knows(
    server: Server, code: CloseCode, said: list[int]
) -> None:
    await close(server.send, {"type": "websocket.close", "code": int(code)})
    assert server.said == said


async def test_a_socket_whose_watcher_ends_unforeseen_is_closed(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = (await apost(acme, "abre")).session_id

    async def end(tenant_id: UUID, session_id: UUID) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("conversations.watcher.look", end)
    path, key = f"/ws/{acme.tenant.slug}/{session_id}", await key_of(acme)
    async with connect(path, key=key) as socket:
        assert await socket.read_refusal() == ("internal_error", 1011)


async def test_whoever_asks_together_hears_together_of_what_nobody_foresaw(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = (await apost(acme, "abre")).session_id

    def fail(session_ids: list[UUID]) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("conversations.pulse.read_pulses", fail)
    asking = [look(acme.id, session_id) for _ in range(3)]
    heard = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in heard] == [RuntimeError] * 3
