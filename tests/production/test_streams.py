import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.production.cluster import Web, wait_until
from tests.production.shop import Shop
from tests.production.upstream import answer_to

pytestmark = [pytest.mark.xdist_group("production"), pytest.mark.postgres, pytest.mark.redis]
#: redis-py 8 would end an idle subscription after 5 s, and with it the socket.
IDLE_SECONDS = 6.5


def follow(web: Web, task_id: str) -> list[dict[str, Any]]:
    """All events of the task's stream, to its end."""
    found = []
    with web.client.stream("GET", f"/api/v1/tasks/{task_id}/stream") as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
    return found


def text_of(events: list[dict[str, Any]]) -> str:
    """What a client shows: each delta at its offset."""
    text = ""
    for event in events:
        if event["type"] == "message.reset":
            text = ""
        elif event["type"] == "message.delta":
            assert event["data"]["offset"] == len(text)
            text += event["data"]["text"]
    return text


@contextmanager
def open_socket(shop: Shop, web: Web, session_id: str) -> Iterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {shop.cluster.key}"}
    url = f"ws://127.0.0.1:{web.port}/ws/{shop.cluster.tenant}/{session_id}"
    with connect(url, additional_headers=headers, compression=None) as socket:
        yield socket


def read_until(socket: ClientConnection, kind: str, seconds: float = 30.0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    until = monotonic() + seconds
    while not found or found[-1]["type"] != kind:
        found.append(json.loads(socket.recv(until - monotonic())))
    return found


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_a_stream_shows_what_a_worker_writes(shop: Shop, server: str) -> None:
    sent = shop.uvicorn.send(f"cuenta [drip:0.05] {server} #1")
    events = follow(getattr(shop, server), sent["task_id"])
    assert text_of(events) == answer_to(f"cuenta [drip:0.05] {server} #1")
    assert sum(event["type"] == "message.delta" for event in events) > 5
    seqs = [event["seq"] for event in events if event["type"] in {"step.recorded", "chat.response"}]
    assert seqs == sorted(set(seqs))


def test_who_comes_late_gets_the_text_so_far_from_another_process(shop: Shop) -> None:
    text = "cuenta [drip:0.15] #2"
    sent = shop.uvicorn.send(text)
    wait_until(lambda: shop.upstream.answers[text], bool, 30)
    sleep(0.8)
    events = follow(shop.daphne, sent["task_id"])
    deltas = [event["data"]["text"] for event in events if event["type"] == "message.delta"]
    assert deltas[0].count("palabra") >= 3
    assert text_of(events) == answer_to(text)


def test_an_idle_socket_lives_on_and_hears_at_once(shop: Shop) -> None:
    sessions = [shop.uvicorn.send(f"abre #{number}")["session_id"] for number in range(2)]
    webs = (shop.uvicorn, shop.daphne)
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(open_socket(shop, web, id_))
            for web, id_ in zip(webs, sessions, strict=True)
        ]
        for socket in sockets:
            read_until(socket, "chat.response")
        sleep(IDLE_SECONDS)
        for socket, session_id in zip(sockets, sessions, strict=True):
            began = monotonic()
            shop.uvicorn.send("¿sigues ahí? #3", session_id)
            read_until(socket, "message.created")
            assert monotonic() - began < 0.5
            read_until(socket, "chat.response")
