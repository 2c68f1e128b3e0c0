from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from tests.production.cluster import SEND, Cluster, Web, wait_until
from tests.production.postgres import MortalPostgres
from tests.production.upstream import Upstream, answer_to

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]
#: Longer than the outage, so that the running task is still its worker's afterwards.
PATIENT = {"ORCHESTRATOR_LEASE_SECONDS": "30", "ORCHESTRATOR_WORKER_SLEEP_SECONDS": "1"}


@pytest.fixture
def house(
    mortal_postgres: MortalPostgres, valkey_url: str, tmp_path: Path
) -> Iterator[tuple[Cluster, Web]]:
    with Upstream() as upstream, ExitStack() as stack:
        cluster = Cluster(
            mortal_postgres.url, valkey_url, tmp_path, upstream, settings=PATIENT, stack=stack
        )
        cluster.prepare()
        started = cluster.start_web()
        cluster.keep_workers(1)
        yield cluster, cluster.wait_for_web(started)


def test_without_postgres_callers_are_told_to_come_back_and_all_recover_by_themselves(
    house: tuple[Cluster, Web], mortal_postgres: MortalPostgres
) -> None:
    cluster, web = house
    running = web.send("lento [slow:1.5] #1")["task_id"]
    wait_until(lambda: cluster.upstream.answers["lento [slow:1.5] #1"], bool, 5)
    mortal_postgres.kill()
    refuse_all(web)
    began = monotonic()
    while monotonic() - began < 4:  # by now the pool's own pauses would have grown
        refuse_all(web)
    mortal_postgres.restart()
    back_at = monotonic()
    wait_until(lambda: web.call("GET", "/api/v1/tasks").status_code, lambda code: code == 200, 5)
    sent = web.send("otra vez #2")
    web.wait_for(sent["task_id"], "completed")
    assert monotonic() - back_at < 5
    web.wait_for(running, "completed")
    # The answer that had been paid for was kept.
    assert cluster.upstream.answers["lento [slow:1.5] #1"] == 1
    status = web.call("POST", "/api/v1/chat/status", {"task_id": running}).json()
    assert status["result"]["content"] == answer_to("lento [slow:1.5] #1")


def refuse_all(web: Web) -> None:
    began = monotonic()
    with ThreadPoolExecutor(20) as callers:
        found = list(callers.map(lambda _: web.call("POST", SEND, {"message": "hola"}), range(40)))
    assert monotonic() - began < 3
    assert {answer.status_code for answer in found} == {503}
    for answer in found:
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["code"] == "db_unavailable"
        assert int(answer.headers["retry-after"]) >= 1
