from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chaos.embedded import Installation, installation
from tests.production.cluster import SEND, wait_until
from tests.production.shop import Shop

DEADLY = "rompe todo [deadly] #1"
INNOCENT = [f"lento [slow:0.4] #{number}" for number in range(2, 5)]
STATUSES = """
    SELECT content, status, error_code FROM conversations_task
    JOIN conversations_message ON conversations_message.id = question_id
"""
Rows = Callable[[str], list[tuple[Any, ...]]]


def judged(rows: Rows) -> dict[str, tuple[str, str]]:
    return {text: (status, code) for text, status, code in rows(STATUSES)}


EXPECTED = dict.fromkeys(INNOCENT, ("completed", "")) | {DEADLY: ("failed", "poison")}


def all_ended(found: dict[str, tuple[str, str]]) -> bool:
    return all(status in {"completed", "failed"} for status, _ in found.values())


@pytest.mark.chaos
@pytest.mark.timeout(240)
def test_an_embedded_server_dies_of_a_task_twice_and_then_gives_it_up(tmp_path: Path) -> None:
    with installation(tmp_path) as one:
        headers = {"Authorization": f"Bearer {one.key}", "Content-Type": "application/json"}
        for text in [*INNOCENT, DEADLY]:
            url = f"http://127.0.0.1:{one.port}{SEND}"
            answer = httpx2.post(url, json={"message": text}, headers=headers, timeout=10)
            assert answer.status_code == 202
        wait_until(lambda: looked_after(one), all_ended, 90)
        assert judged(one.rows) == EXPECTED
        assert one.num_started == 3


def looked_after(one: Installation) -> dict[str, tuple[str, str]]:
    """Whoever runs it starts it again when it is gone."""
    if one.child.process.poll() is not None:
        one.start()
    return judged(one.rows)


@pytest.mark.xdist_group("production")
@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(600)
def test_workers_die_of_a_task_twice_and_then_give_it_up(empty_shop: Shop) -> None:
    shop = empty_shop
    before = shop.cluster.num_started
    for text in [*INNOCENT, DEADLY]:
        shop.uvicorn.send(text)

    def look() -> dict[str, tuple[str, str]]:
        shop.cluster.keep_workers(2)
        return judged(shop.cluster.rows)

    wait_until(look, all_ended, 90)
    assert judged(shop.cluster.rows) == EXPECTED
    assert shop.cluster.num_started == before + 2
