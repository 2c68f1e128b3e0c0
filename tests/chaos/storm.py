"""Many clients and many faults at once. Everything random comes from one seed."""

import re
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from time import monotonic, sleep
from typing import Final

from bench.processes import Child
from tests.chaos.checker import Rows, faults_in
from tests.chaos.history import History, Talker
from tests.production.till import Till

UNFINISHED: Final = (
    "SELECT count(*) FROM conversations_task WHERE status IN ('queued', 'processing')"
)
Fault = Callable[[], None]


@dataclass
class Storm:
    """`num_tasks` messages by `num_talkers` clients, while `faults` happen spread over them."""

    urls: Sequence[str]
    key: str
    rows: Rows
    till: Till
    faults: list[Fault]
    seed: int
    num_tasks: int
    num_talkers: int = 8
    max_unfinished: int = 60
    history: History = field(default_factory=History)
    num_unfinished: int = 0
    num_allowed: int = 0

    def rage(self, *, seconds_to_settle: float) -> float:
        """Returns the seconds it took until everything was finished."""
        began, random = monotonic(), Random(self.seed)
        stage = self.num_tasks // (len(self.faults) + 1)
        random.shuffle(self.faults)
        numbers = [range(n, self.num_tasks, self.num_talkers) for n in range(self.num_talkers)]
        talkers = [self._talker(Random(random.random())) for _ in numbers]
        with ThreadPoolExecutor(self.num_talkers) as threads:
            talking = [
                threads.submit(talker.talk, some)
                for talker, some in zip(talkers, numbers, strict=True)
            ]
            for number, fault in enumerate(self.faults):
                due = number * stage
                # Some are held back, so that there is work to disturb for every fault.
                self.num_allowed = due + stage
                self._watch(lambda due=due: len(self.history.acknowledged) > due)  # type: ignore[misc]
                fault()
            self.num_allowed = self.num_tasks
            self._watch(lambda: all(client.done() for client in talking))
            for client in talking:
                client.result()
        self._watch(lambda: self.num_unfinished == 0, seconds=seconds_to_settle)
        return monotonic() - began

    def broken_promises(self) -> list[str]:
        return faults_in(self.history, self.rows, self.till)

    def _talker(self, random: Random) -> Talker:
        def has_room() -> bool:
            is_allowed = len(self.history.acknowledged) < self.num_allowed
            return is_allowed and self.num_unfinished < self.max_unfinished

        return Talker(self.history, self.urls, self.key, random, has_room)

    def _watch(self, is_so: Callable[[], bool], seconds: float = 600.0) -> None:
        until = monotonic() + seconds
        while True:
            self.num_unfinished = self.rows(UNFINISHED)[0][0]
            if is_so():
                return
            assert monotonic() < until, f"{self.num_unfinished} tasks are unfinished"
            sleep(0.05)


def freeze(child: Child, seconds: float) -> None:
    """Let a process stand still, as a paused virtual machine does, and go on."""
    child.process.send_signal(signal.SIGSTOP)
    sleep(seconds)
    child.process.send_signal(signal.SIGCONT)


def num_fenced(workers: Sequence[Child]) -> int:
    """How many writes of workers that had lost their lease were refused."""
    return sum(len(re.findall("was fenced", child.log.read_text())) for child in workers)
