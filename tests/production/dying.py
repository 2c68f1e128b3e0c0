"""Processes that die or stand still at a failpoint, and everybody else at rest meanwhile."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any, Final

from bench.processes import Child
from tests.chaos.checker import faults_in
from tests.chaos.history import Acknowledged, History
from tests.production.cluster import kill, wait_for_worker
from tests.production.shop import Shop

BUSY: Final = (
    "SELECT 1 FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


def armed(failpoint: str) -> dict[str, str]:
    return {"ORKESTA_FAILPOINT": failpoint, "ORCHESTRATOR_DEBUG_FAILPOINTS": "true"}


@contextmanager
def others_at_rest(shop: Shop) -> Iterator[None]:
    """The shop's workers stand still, and none in the middle of a transaction: nobody gets past the
    locks of one that is not there to let go of them.
    """
    rested = list(shop.cluster.workers)
    try:
        while True:
            for child in rested:
                kill(child, signal.SIGSTOP)
            if not shop.cluster.rows(BUSY):
                break
            for child in rested:
                kill(child, signal.SIGCONT)
            sleep(0.05)
        yield
    finally:
        for child in rested:
            kill(child, signal.SIGCONT)


def end_leases(shop: Shop) -> None:
    """Nobody need wait for it."""
    shop.cluster.execute("UPDATE conversations_task SET lease_until = now() - interval '1 second'")


def check(shop: Shop, text: str, sent: dict[str, str]) -> None:
    """Everything that was promised holds; nothing else is in the database."""
    told = Acknowledged(text, sent["task_id"], sent["session_id"])
    assert faults_in(History([told]), shop.cluster.rows) == []


def doomed_worker(shop: Shop, failpoint: str) -> Child:
    """A worker at work, which will die there."""
    worker = shop.cluster.start_worker(**armed(failpoint))
    wait_for_worker(worker)
    return worker


def see_it_die(worker: Child) -> None:
    assert worker.process.wait(30) == -signal.SIGKILL, worker.log.read_text()


def told(row: tuple[Any, ...]) -> dict[str, str]:
    """What a client would have been told of this task."""
    task_id, session_id = row
    return {"task_id": str(task_id), "session_id": str(session_id)}
