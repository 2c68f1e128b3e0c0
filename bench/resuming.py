"""Scenario I: a worker dies in the middle of turns; how long until somebody has taken them up."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

from bench.loops import percentile, talking
from bench.report import Result, Row, summed_up
from bench.scenarios import Bench, set_delay
from bench.talkers import OrkestaTalker, Turn, Variant

NUM_KILLS: Final = 8
NUM_TURNS_EACH: Final = 24
#: The LLM takes so long that every turn is in the middle of its call when the worker dies.
LLM_SECONDS: Final = 3.0
KILL_AFTER_SECONDS: Final = 1.5


class _Watcher(OrkestaTalker):
    """Notices from the name of the text's run which attempt at its turn has answered."""

    attempt = 1

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["type"] == "message.delta":
            self.attempt = int(event["data"]["stream"].split(".")[0])
        super()._on_event(event)


async def a_dead_workers_turns(bench: Bench) -> Result:
    """I: from `kill -9` to the end of a turn that another worker took up, less the LLM's time."""
    crash = bench.orkesta.crash_worker
    if crash is None:
        raise RuntimeError("scenario I needs the production set-up with two workers")
    seconds: list[float] = []
    failures: list[str] = []
    num_turns = 0
    await set_delay(bench.mock, LLM_SECONDS)
    try:
        for _ in range(bench.scaled(NUM_KILLS)):
            make = lambda: _Watcher(bench.orkesta, Variant.RULE)  # noqa: E731
            async with talking(make, NUM_TURNS_EACH) as talkers:
                begun = perf_counter()
                turning = asyncio.gather(*(talker.turn(since=begun) for talker in talkers))
                await asyncio.sleep(KILL_AFTER_SECONDS)
                killed = perf_counter()
                await asyncio.to_thread(crash)
                turns = await turning
            num_turns += len(turns)
            failures += [turn.failure for turn in turns if turn.failure]
            seconds += _resumed(talkers, turns, killed - begun)
    finally:
        await set_delay(bench.mock, 0.0)
    figures = {
        "turns": num_turns,
        "taken up by another": len(seconds),
        "p50 s": percentile(seconds, 50),
        "p99 s": percentile(seconds, 99),
        "most s": max(seconds, default=float("nan")),
        "failed": len(failures),
    }
    title = f"A dead worker's turns: {bench.scaled(NUM_KILLS)} × kill -9"
    row = Row(f"{bench.setup}, from the kill to the answer, less the LLM's time", figures)
    return Result("I", title, [row], "p99 <= 15 s", summed_up(failures))


def _resumed(talkers: Sequence[Any], turns: Sequence[Turn], killed: float) -> list[float]:
    return [
        turn.whole - killed - LLM_SECONDS
        for talker, turn in zip(talkers, turns, strict=True)
        if talker.attempt > 1 and not turn.failure
    ]
