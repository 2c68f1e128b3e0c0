"""Clients whose connections are cut again and again while they follow an answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from socket import SHUT_RDWR
from time import monotonic, sleep
from typing import Any, Final

from websockets.sync.client import ClientConnection

from bench.processes import wait_for_port
from examples.client.reconnecting_client import Follower
from tests.production.cluster import Cluster, Server, Web, kill
from tests.production.upstream import answer_to
from tests.services import Valkey

ENDINGS: Final = {"completed", "failed", "cancelled"}


class CutFollower(Follower):
    """Its cable is pulled when it has so many characters, for each of `cuts`. Notes every piece of
    text that does not begin where it stands.
    """

    def __init__(self, address: str, *, key: str, cuts: Sequence[int]) -> None:
        super().__init__(address, key=key)
        self._cuts = list(cuts)
        self.num_cuts = self.num_misfits = self.num_connections = 0

    def _listen(self, connection: ClientConnection) -> Iterator[dict[str, Any]]:
        self.num_connections += 1
        for event in super()._listen(connection):
            yield event
            if self._cuts and sum(map(len, self.texts.values())) >= self._cuts[0]:
                self._cuts.pop(0)
                self.num_cuts += 1
                connection.socket.shutdown(SHUT_RDWR)
                raise OSError("the cable is out")

    def _add(self, *, message_id: str, offset: int, text: str, **more: Any) -> None:
        self.num_misfits += offset != len(self.texts.get(message_id, ""))
        super()._add(message_id=message_id, offset=offset, text=text, **more)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one client had in the end."""

    is_equal: bool
    num_cuts: int
    num_misfits: int
    num_connections: int


def follow(web: Web, key: str, text: str, *, path: str, cuts: Sequence[int]) -> Seen:
    """Follow the answer to its end."""
    address = str(web.client.base_url).replace("http", "ws").rstrip("/") + path
    follower, said = CutFollower(address, key=key, cuts=cuts), ""
    for event in follower.events():
        if event["type"] == "chat.response":
            said = event["data"]["content"]
        if event["data"].get("status") in ENDINGS:
            break
    [shown] = follower.texts.values()
    is_equal = shown == said == answer_to(text)
    return Seen(is_equal, follower.num_cuts, follower.num_misfits, follower.num_connections)


def stream_storm(
    webs: Sequence[Web],
    key: str,
    faults: Sequence[Callable[[], None]],
    *,
    num_clients: int,
    num_words: int,
    num_cuts: int,
    drip: float,
    seed: int,
) -> list[Seen]:
    """`faults` happen spread over the time that the answers take."""
    random = Random(seed)
    asked = []
    for number in range(num_clients):
        web, text = webs[number % len(webs)], f"cuenta [drip:{drip}] [words:{num_words}] #{number}"
        # Not at its very end, where the last of them would come too late.
        places = len(answer_to(text)) * 4 // 5
        cuts = sorted(random.randrange(1, places) for _ in range(num_cuts))
        asked.append((web, text, web.send(text)["websocket_path"], cuts))
    with ThreadPoolExecutor(num_clients) as threads:
        following = [
            threads.submit(follow, web, key, text, path=path, cuts=cuts)
            for web, text, path, cuts in asked
        ]
        began = monotonic()
        for number, fault in enumerate(faults, 1):
            due = began + num_words * drip * number / (len(faults) + 1)
            sleep(max(0.0, due - monotonic()))
            fault()
        return [client.result() for client in following]


class Restarts:
    """Faults of those who serve streams: web servers die and come back at their ports."""

    def __init__(self, cluster: Cluster, valkey: Valkey, webs: Mapping[Server, Web]) -> None:
        self._cluster, self._valkey = cluster, valkey
        self._children = {server: (web.child, web.port) for server, web in webs.items()}

    def web(self, server: Server) -> None:
        child, port = self._children[server]
        kill(child)
        self._children[server] = self._cluster.start_web(server, port=port)
        wait_for_port(*self._children[server])

    def valkey(self, seconds: float) -> None:
        self._valkey.kill()
        sleep(seconds)
        self._valkey.restart()
