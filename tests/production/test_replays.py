from typing import Any

import pytest

from tests.production.cluster import kill, wait_until
from tests.production.shop import Shop

pytestmark = [pytest.mark.xdist_group("production"), pytest.mark.postgres, pytest.mark.redis]

CATALOGUE = "/api/v1/prompts/catalogo"
TEXTS = [f"precio [slow:1.5] repasado #{number}" for number in range(3)]


def begin_replay(shop: Shop) -> str:
    """Of the last three messages, under a new draft: its address."""
    for task in [shop.uvicorn.send(text)["task_id"] for text in TEXTS]:
        shop.uvicorn.wait_for(task, "completed")
    made = shop.uvicorn.call("POST", f"{CATALOGUE}/versions", {"source": "Eres {{ agent.name }}."})
    assert made.status_code == 201, made.text
    versions = f"{CATALOGUE}/versions/{made.json()['number']}"
    begun = shop.uvicorn.call("POST", f"{versions}/replays", {"limit": len(TEXTS)})
    assert begun.status_code == 202, begun.text
    return str(begun.headers["Location"])


def test_a_replay_goes_on_where_a_killed_process_left_it(shop: Shop) -> None:
    (worker,) = shop.cluster.keep_workers(1)
    place = begin_replay(shop)

    def replay() -> dict[str, Any]:
        return dict(shop.uvicorn.call("GET", place).json())

    wait_until(replay, lambda found: found["num_done"] == 1, 60)
    # It is at the second message: the newest is done first.
    wait_until(lambda: shop.upstream.answers[TEXTS[1]], lambda count: count == 2, 60)
    kill(worker)
    assert (replay()["status"], replay()["num_done"]) == ("running", 1)
    shop.cluster.keep_workers(2)
    done = wait_until(replay, lambda found: found["status"] == "completed", 60)
    assert (done["num_done"], done["num_same"]) == (3, 3)
    # Once live and once replayed; the one that was cut off once more.
    assert [shop.upstream.answers[text] for text in TEXTS] == [2, 3, 2]
    items = shop.uvicorn.call("GET", f"{place}/messages").json()["items"]
    assert sorted(item["message"] for item in items) == sorted(TEXTS)
