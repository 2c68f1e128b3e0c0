"""How long a dead worker's tasks wait for another one: row I of the benchmarks."""

import statistics
from random import Random
from time import monotonic, sleep
from typing import Final

from tests.production.cluster import Cluster, Web, kill, wait_until

#: As installations have them, not the short ones of the tests.
SETTINGS: Final = {
    "ORCHESTRATOR_LEASE_SECONDS": "10",
    "ORCHESTRATOR_LEASE_RENEW_SECONDS": "3",
    "ORCHESTRATOR_WORKER_SLEEP_SECONDS": "1",
}
RUNNING: Final = "SELECT id, attempt, worker FROM conversations_task WHERE status = 'processing'"


def measure(cluster: Cluster, web: Web, *, kills: int, tasks: int, seed: int) -> list[float]:
    """Seconds from the death of a worker to the claim of each of its tasks by another, sorted."""
    random, found = Random(seed), []
    for round_ in range(kills):
        cluster.keep_workers(3)
        sent = [web.send(f"largo [hang] #{round_}.{number}") for number in range(tasks)]
        wait_until(lambda: cluster.rows(RUNNING), lambda rows: len(rows) == tasks, 30)
        sleep(random.uniform(0, 3))  # anywhere between two renewals
        found += _seconds_until_claimed(cluster)
        for task in sent:
            web.call("POST", f"/api/v1/tasks/{task['task_id']}/cancel")
        wait_until(lambda: cluster.rows(RUNNING), lambda rows: not rows, 30)
    return sorted(found)


def _seconds_until_claimed(cluster: Cluster) -> list[float]:
    rows = cluster.rows(RUNNING)
    doomed = next(c for c in cluster.workers if any(f":{c.process.pid}:" in w for *_, w in rows))
    mine = {id_: attempt for id_, attempt, w in rows if f":{doomed.process.pid}:" in w}
    kill(doomed)
    died_at, seconds = monotonic(), []
    while mine:
        for id_, attempt, _ in cluster.rows(RUNNING):
            if attempt > mine.get(id_, attempt):
                seconds.append(monotonic() - died_at)
                del mine[id_]
        assert monotonic() - died_at < 60, f"{len(mine)} tasks are still a dead worker's"
        sleep(0.02)
    return seconds


def percentiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"p50 {cuts[49]:.1f} s, p99 {cuts[98]:.1f} s, most {seconds[-1]:.1f} s"
