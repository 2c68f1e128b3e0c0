import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import sleep

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection

from conversations.consumers.closing import LIKENESS, CloseCode
from tests.production.cluster import Web
from tests.production.shop import Shop
from tests.production.test_streams import open_socket, read_until

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
    pytest.mark.long,
]
#: What a server may close with while its database is away, so that clients come back.
FORESEEN = {CloseCode.TRY_LATER, CloseCode.TRY_LATER + LIKENESS}
#: What a server's log says of a failure that nobody foresaw.
UNFORESEEN = ("A socket failed", "Exception in", "never retrieved")


@dataclass
class Crowd:
    """Clients who come, watch, speak and go, for as long as they are let."""

    shop: Shop
    session_ids: list[str]
    closed: Counter[int] = field(default_factory=Counter)
    num_sockets: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def rage(self, fault: Callable[[], None], *, num_clients: int = 12) -> None:
        threads = [threading.Thread(target=self._client, args=[n]) for n in range(num_clients)]
        for thread in threads:
            thread.start()
        try:
            fault()
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join(30)

    def _client(self, number: int) -> None:
        chance = random.Random(number)
        web = (self.shop.uvicorn, self.shop.daphne)[number % 2]
        while not self._is_over.is_set():
            try:
                with open_socket(self.shop, web, chance.choice(self.session_ids)) as socket:
                    self.num_sockets += 1
                    self._speak(socket, chance)
            except ConnectionClosed as closed:
                self.closed[closed.rcvd.code if closed.rcvd else 1006] += 1
                sleep(0.1)
            except (OSError, InvalidHandshake) as exc:
                self.errors[repr(exc)] += 1

    def _speak(self, socket: ClientConnection, chance: random.Random) -> None:
        for _ in range(chance.randrange(1, 8)):
            said = chance.choice(
                [{"type": "ping"}, {"type": "resume", "cursor": "0"}, {"type": "chat.cancel"}]
                + [{"type": "chat.send", "message": "hola"}] * (chance.random() < 0.2)
            )
            socket.send(json.dumps(said))
            try:
                while True:
                    socket.recv(chance.random() * 0.3)
            except TimeoutError:
                continue


def outages(shop: Shop) -> None:
    for seconds in (0.5, 2.5, 0.1):
        sleep(1)
        shop.valkey.kill()
        sleep(seconds)
        shop.valkey.restart()
        sleep(1)
        shop.postgres.kill()
        sleep(seconds)
        shop.postgres.restart()
    sleep(2)


def test_whatever_goes_away_sockets_live_on_or_are_told_to_come_back(empty_shop: Shop) -> None:
    shop = empty_shop
    webs: list[Web] = [shop.uvicorn, shop.daphne]
    before = [len(web.child.log.read_text()) for web in webs]
    session_ids = [shop.uvicorn.send(f"abre #{number}")["session_id"] for number in range(4)]
    crowd = Crowd(shop, session_ids)
    crowd.rage(lambda: outages(shop))
    logs = [web.child.log.read_text()[start:] for web, start in zip(webs, before, strict=True)]
    assert crowd.num_sockets > 50
    assert crowd.closed.keys() <= FORESEEN
    assert not crowd.errors
    assert [word for log in logs for word in UNFORESEEN if word in log] == []
    with open_socket(shop, shop.daphne, session_ids[0]) as socket:
        read_until(socket, "chat.response")
