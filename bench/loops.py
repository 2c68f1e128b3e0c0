"""How load is made: closed loops (each waits for its answer) and open ones (nobody waits)."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter, process_time

from bench.talkers import Talker, Turn

#: Sockets and sessions are opened this many at a time: opening them is not what is measured.
NUM_OPENING_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Load:
    """What a loop has seen. `driver_cpu` is what making the load itself cost, in seconds."""

    turns: tuple[Turn, ...]
    seconds: float
    driver_cpu: float

    @property
    def answered(self) -> list[Turn]:
        return [turn for turn in self.turns if not turn.failure]

    @property
    def failures(self) -> list[str]:
        return [turn.failure for turn in self.turns if turn.failure]

    @property
    def turns_per_second(self) -> float:
        return len(self.answered) / self.seconds

    def first_token_ms(self, percent: int) -> float:
        return percentile([turn.first_token * 1000 for turn in self.answered], percent)

    def whole_ms(self, percent: int) -> float:
        return percentile([turn.whole * 1000 for turn in self.answered], percent)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of the values do not exceed; NaN when there is none."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]


@asynccontextmanager
async def talking(make: Callable[[], Talker], count: int) -> AsyncIterator[list[Talker]]:
    """`count` talkers, opened; closed at the end."""
    talkers = [make() for _ in range(count)]
    gate = asyncio.Semaphore(NUM_OPENING_AT_ONCE)

    async def open_one(talker: Talker) -> None:
        async with gate:
            await talker.open()

    await asyncio.gather(*(open_one(talker) for talker in talkers))
    try:
        yield talkers
    finally:
        for talker in talkers:
            talker.close()
        await asyncio.sleep(0.1)


async def closed_loop(
    talkers: Sequence[Talker], *, seconds: float = 1e9, turns_each: int = 10**9
) -> Load:
    """Every talker takes turn after turn, until `seconds` are over or it has had `turns_each`."""
    turns: list[Turn] = []
    deadline = perf_counter() + seconds

    async def keep_talking(talker: Talker) -> None:
        for _ in range(turns_each):
            if perf_counter() >= deadline:
                return
            turns.append(await talker.turn())

    return await _measured(asyncio.gather(*map(keep_talking, talkers)), turns)


async def open_loop(talkers: Sequence[Talker], *, per_second: float) -> Load:
    """One turn of each talker, begun at a steady rate however slow the answers are. Times count
    from when a turn was due, so a server that falls behind is not flattered. With an infinite rate
    all begin at once.
    """
    turns: list[Turn] = []
    begin = perf_counter()

    async def talk(index: int, talker: Talker) -> None:
        due = begin + index / per_second
        await asyncio.sleep(due - perf_counter())
        turns.append(await talker.turn(since=due))

    waiting = asyncio.gather(*(talk(i, talker) for i, talker in enumerate(talkers)))
    return await _measured(waiting, turns)


async def _measured(work: "asyncio.Future[list[None]]", turns: list[Turn]) -> Load:
    gc.collect()
    gc.disable()
    started, cpu = perf_counter(), process_time()
    try:
        await work
    finally:
        gc.enable()
    return Load(tuple(turns), perf_counter() - started, process_time() - cpu)
