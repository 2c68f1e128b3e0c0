import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.production.cluster import Web, wait_until
from tests.production.shop import Shop

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]


def issue(shop: Shop, web: Web) -> dict[str, Any]:
    session_id = shop.uvicorn.send("un boleto")["session_id"]
    origin = f"http://127.0.0.1:{shop.daphne.port}"
    body = {"session_id": session_id, "origin": origin}
    answer = web.call("POST", "/api/v1/ws/tickets", body, Host=f"127.0.0.1:{shop.daphne.port}")
    assert answer.status_code == 201, answer.text
    return dict(answer.json()) | {"origin": origin}


def enter(web: Web, issued: dict[str, Any]) -> bool:
    """Whether the ticket opens a socket there."""
    protocols: Any = ["orkesta.v1", f"ticket.{issued['ticket']}"]
    url = f"ws://127.0.0.1:{web.port}{issued['websocket_path']}"
    with connect(url, subprotocols=protocols, origin=issued["origin"], compression=None) as socket:
        try:
            socket.send(json.dumps({"type": "ping"}))
            first = json.loads(socket.recv(30))
        except ConnectionClosed:
            return False
        return first["type"] != "error"


@pytest.fixture(params=["redis", "outage"])
def ticket_shop(shop: Shop, request: pytest.FixtureRequest) -> Iterator[Shop]:
    if request.param == "outage":
        shop.valkey.kill()
    yield shop
    if not shop.valkey.is_alive:
        shop.valkey.restart()


def test_a_ticket_of_one_web_server_opens_one_socket_at_another(ticket_shop: Shop) -> None:
    issued = issue(ticket_shop, ticket_shop.uvicorn)
    assert enter(ticket_shop.daphne, issued)
    assert not enter(ticket_shop.daphne, issued)


def test_statistics_are_those_of_all_web_servers(shop: Shop) -> None:
    shop.daphne.call("GET", "/health")  # it tells of itself from its first request on
    for web in (shop.uvicorn, shop.daphne):
        seen = wait_until(
            lambda web=web: web.call("GET", "/ws/stats").json(),
            lambda stats: stats["processes"] >= 2,
            60,
        )
        assert seen["limit"] >= 2000


@pytest.mark.parametrize(("verb", "before"), [("resume", "pause"), ("retry", "cancel")])
def test_of_many_who_press_at_once_at_two_servers_one_gets_its_way(
    shop: Shop, verb: str, before: str
) -> None:
    text = f"cuelga [hang] {verb}"
    task_id = shop.uvicorn.send(text)["task_id"]
    wait_until(lambda: shop.upstream.answers[text], bool, 30)
    shop.uvicorn.call("POST", f"/api/v1/tasks/{task_id}/{before}")
    shop.uvicorn.wait_for(task_id, "paused", "cancelled")

    def press(web: Web) -> int:
        return web.call("POST", f"/api/v1/tasks/{task_id}/{verb}").status_code

    with ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(press, [shop.uvicorn, shop.daphne] * 4))
    assert codes[0] in {200, 202}
    assert codes[1:] == [409] * 7
    for (id_,) in shop.cluster.rows(
        "SELECT id FROM conversations_task WHERE status IN ('queued', 'processing')"
    ):
        shop.uvicorn.call("POST", f"/api/v1/tasks/{id_}/cancel")
