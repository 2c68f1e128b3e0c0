"""Faults of a production set-up."""

from random import Random
from time import sleep
from typing import Final

import psutil

from bench.processes import Child
from orkesta.failpoints import Failpoint
from tests.chaos.storm import Fault, Storm, freeze, num_fenced
from tests.production.cluster import Cluster, kill, wait_for_worker, wait_until
from tests.production.postgres import MortalPostgres
from tests.production.till import Till
from tests.services import Valkey

#: Longer than the lease (2 s) and the pause until another worker looks (2 s).
FREEZE_SECONDS: Final = 4.5


class Adversary:
    """Takes away what it is told to, in an order that the storm chooses."""

    def __init__(
        self, cluster: Cluster, postgres: MortalPostgres, valkey: Valkey, *, num_workers: int
    ) -> None:
        self._cluster, self._postgres, self._valkey = cluster, postgres, valkey
        self._num_workers = num_workers
        self.all_workers: list[Child] = list(cluster.workers)
        self._random = Random(num_workers)
        self._sleeper: Child | None = None

    def recruit_sleeper(self) -> None:
        """One more worker, which will stand still in the worst moment: when it is about to write.
        Its write comes when the task has long been another's.
        """
        failpoint = f"{Failpoint.MODEL_ANSWERED}:3:stop"
        self._sleeper = self._cluster.start_worker(
            ORKESTA_FAILPOINT=failpoint, ORCHESTRATOR_DEBUG_FAILPOINTS="true"
        )
        self._cluster.workers.remove(self._sleeper)
        self.all_workers.append(self._sleeper)
        wait_for_worker(self._sleeper)

    def faults(
        self, *, kills: int, freezes: int, postgres: int = 0, valkey: int = 0
    ) -> list[Fault]:
        return [
            *[self._kill_worker] * kills,
            *[self._freeze_worker] * freezes,
            *[self._kill_postgres] * postgres,
            *[self._kill_valkey] * valkey,
        ]

    def num_fenced(self) -> int:
        return num_fenced(self.all_workers)

    def _kill_worker(self) -> None:
        kill(self._busy_worker())
        self._cluster.workers = [c for c in self._cluster.workers if c.process.poll() is None]
        while len(self._cluster.workers) < self._num_workers:
            self.all_workers.append(self._cluster.start_worker())

    def _freeze_worker(self) -> None:
        if self._sleeper is not None:
            self._wake_sleeper(self._sleeper)
            return
        freeze(self._busy_worker(), FREEZE_SECONDS)

    def _wake_sleeper(self, sleeper: Child) -> None:
        process = psutil.Process(sleeper.process.pid)
        wait_until(process.status, lambda status: status == psutil.STATUS_STOPPED, 60)
        sleep(FREEZE_SECONDS)
        process.resume()
        self._sleeper = None
        self._cluster.workers.append(sleeper)

    def _kill_postgres(self) -> None:
        self._postgres.kill()
        sleep(self._random.uniform(0, 3))
        self._postgres.restart()

    def _kill_valkey(self) -> None:
        self._valkey.kill()
        sleep(self._random.uniform(0, 3))
        self._valkey.restart()

    def _busy_worker(self) -> Child:
        """A worker that has something to lose."""
        statement = "SELECT worker FROM conversations_task WHERE status = 'processing'"

        def look() -> list[Child]:
            names = " ".join(name for (name,) in self._cluster.rows(statement))
            return [c for c in self._cluster.workers if f":{c.process.pid}:" in names]

        return self._random.choice(wait_until(look, bool, 60))


def storm_over(
    cluster: Cluster, till: Till, faults: list[Fault], ports: list[int], **size: int
) -> Storm:
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    return Storm(urls, cluster.key, cluster.rows, till, faults, **size)
