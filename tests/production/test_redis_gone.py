from collections.abc import Iterator

import pytest

from tests.production.cluster import wait_until
from tests.production.shop import Shop
from tests.production.test_streams import open_socket, read_until

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]


@pytest.fixture
def deaf(shop: Shop) -> Iterator[Shop]:
    """The set-up without Redis."""
    shop.valkey.kill()
    yield shop
    if not shop.valkey.is_alive:
        shop.valkey.restart()


def test_without_redis_what_is_accepted_is_answered(deaf: Shop) -> None:
    for web in (deaf.uvicorn, deaf.daphne):
        sent = [web.send(f"sin Redis {web.port} #{number}") for number in range(5)]
        for answer in sent:
            web.wait_for(answer["task_id"], "completed")
        health = web.call("GET", "/health/detailed")
        assert health.status_code == 200
        assert health.json()["status"] == "degraded"


def test_sockets_catch_up_and_workers_are_woken_again_when_it_is_back(shop: Shop) -> None:
    session_id = shop.uvicorn.send("abre #10")["session_id"]
    with open_socket(shop, shop.daphne, session_id) as socket:
        read_until(socket, "chat.response")
        shop.valkey.kill()
        task_id = shop.uvicorn.send("sin Redis #11", session_id)["task_id"]
        shop.uvicorn.wait_for(task_id, "completed")
        shop.valkey.restart()
        read_until(socket, "chat.response", 60)
        wait_until(
            lambda: shop.uvicorn.send("despierta #12"), lambda sent: is_woken(shop, sent), 60
        )
        shop.uvicorn.send("¿me oyes? #13", session_id)
        read_until(socket, "message.delta", 30)
    wait_until(lambda: shop.daphne.call("GET", "/health/detailed").json()["status"], is_ok, 30)


def is_woken(shop: Shop, sent: dict[str, str]) -> bool:
    shop.uvicorn.wait_for(sent["task_id"], "completed")
    [(wait,)] = shop.cluster.rows(
        "SELECT started_at - created_at FROM conversations_task WHERE id = %s", sent["task_id"]
    )
    return bool(wait.total_seconds() < 0.2)


def is_ok(status: str) -> bool:
    return status == "ok"
