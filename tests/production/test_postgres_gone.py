from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import httpx2
import pytest

from tests.production.cluster import SEND, Web, wait_until
from tests.production.shop import Shop
from tests.production.upstream import answer_to

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]


def test_without_postgres_callers_are_told_to_come_back_and_all_recover_by_themselves(
    shop: Shop,
) -> None:
    web, text = shop.uvicorn, "lento [slow:1.5] #1"
    running = web.send(text)["task_id"]
    wait_until(lambda: shop.upstream.answers[text], bool, 30)
    shop.postgres.kill()
    began = monotonic()
    while monotonic() - began < 4:  # by now the pool's own pauses would have grown
        refuse_all(web)
    refuse_all(shop.daphne)
    assert web.call("GET", "/health").status_code == 200
    assert web.call("GET", "/health/detailed").status_code == 503
    shop.postgres.restart()
    back_at = monotonic()
    wait_until(lambda: web.call("GET", "/api/v1/tasks").status_code, lambda code: code == 200, 10)
    web.wait_for(web.send("otra vez #2")["task_id"], "completed")
    assert monotonic() - back_at < 10
    # This one has heard nothing since, and serves everybody who comes at once.
    assert statuses(shop.daphne) == {202}
    web.wait_for(running, "completed")
    status = web.call("POST", "/api/v1/chat/status", {"task_id": running}).json()
    assert status["result"]["content"] == answer_to(text)


def send_many(web: Web) -> list[httpx2.Response]:
    with ThreadPoolExecutor(20) as callers:
        return list(callers.map(lambda _: web.call("POST", SEND, {"message": "hola"}), range(40)))


def statuses(web: Web) -> set[int]:
    return {answer.status_code for answer in send_many(web)}


def refuse_all(web: Web) -> None:
    began = monotonic()
    found = send_many(web)
    assert monotonic() - began < 10
    assert {answer.status_code for answer in found} == {503}
    for answer in found:
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["code"] == "db_unavailable"
        assert int(answer.headers["retry-after"]) >= 1
