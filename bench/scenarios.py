"""The scenarios that need a running server: A, B, C, D. Each prints ours beside the floor."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from statistics import median

from bench.cpu import CpuClock
from bench.http_wire import HttpConnection, request
from bench.loops import Load, closed_loop, open_loop, talking
from bench.report import Result, Row, summed_up
from bench.setups import HOST, Mock, Orkesta
from bench.talkers import FloorTalker, OrkestaTalker, Talker, Turn, Variant

DECIDED = {Variant.RULE: "decided by a rule", Variant.LLM: "decided by the LLM"}


@dataclass(frozen=True, slots=True)
class Bench:
    """What a scenario works with. `scale` shrinks a run that is only tried out."""

    setup: str
    mock: Mock
    orkesta: Orkesta
    scale: float = 1.0

    def floor(self, variant: Variant) -> Callable[[], Talker]:
        return lambda: FloorTalker(self.mock, variant)

    def ours(self, variant: Variant) -> Callable[[], Talker]:
        return lambda: OrkestaTalker(self.orkesta, variant)

    def name(self, variant: Variant) -> str:
        return f"{self.setup}, {DECIDED[variant]}"

    def scaled(self, count: int) -> int:
        return max(1, round(count * self.scale))


async def warm_up(bench: Bench) -> None:
    """Let both sides import, connect and fill their caches before anything is timed."""
    for variant in Variant:
        async with talking(bench.ours(variant), 8) as talkers:
            load = await closed_loop(talkers, turns_each=5)
        if load.failures:
            raise RuntimeError(f"no turn succeeds: {summed_up(load.failures)}")


async def one_user(bench: Bench) -> Result:
    """A: what Orkesta adds to the LLM's own time when nobody else is there."""
    rows, failures = [], []
    for variant in Variant:
        count = bench.scaled(300)
        floor = await _turns_of_one(bench.floor(variant), count)
        before = await _calls(bench.mock)
        ours = await _turns_of_one(bench.ours(variant), count)
        calls = await _calls(bench.mock) - before
        rows.append(Row(f"the mock alone (floor), {DECIDED[variant]}", _latencies(floor)))
        added = _latencies(ours, less=floor) | {"LLM calls a turn": calls / len(ours.turns)}
        rows.append(Row(bench.name(variant), added))
        failures += ours.failures
    return Result(
        "A",
        "One user: ms added to the mock's own (the floor's rows: its own)",
        rows,
        "first token p50 <= 5 ms, whole turn <= 9 ms; embedded 15 ms",
        summed_up(failures),
    )


async def fifty_users(bench: Bench) -> Result:
    """B: 50 users who wait for each answer, then the same users arriving at half that rate."""
    rows, failures = [], []
    for variant in Variant:
        async with talking(bench.floor(variant), 50) as talkers:
            floor = await closed_loop(talkers, seconds=bench.scaled(4))
        rows.append(Row(f"the mock alone (floor), {DECIDED[variant]}", _throughput(floor)))
        async with talking(bench.ours(variant), 50) as talkers:
            cpu = CpuClock(bench.orkesta)
            ours = await closed_loop(talkers, seconds=bench.scaled(15))
            figures = _throughput(ours) | cpu.ms_a_turn(len(ours.answered))
        rows.append(Row(bench.name(variant), figures))
        rate = ours.turns_per_second / 2
        async with talking(bench.ours(variant), max(2, round(rate * bench.scaled(8)))) as talkers:
            half = await open_loop(talkers, per_second=rate)
        rows.append(Row(f"… arriving at {rate:.0f} a second", _throughput(half)))
        failures += ours.failures + half.failures
    goal = "300 turns/s, CPU <= 5 ms a turn"
    return Result("B", "50 users", rows, goal, summed_up(failures))


async def a_thousand_at_once(bench: Bench) -> Result:
    """C: 1,000 customers speak in the same moment, and every LLM call takes half a second."""
    rows, failures = [], []
    count = bench.scaled(1000)
    await set_delay(bench.mock, 0.5)
    try:
        for variant in Variant:
            async with talking(bench.floor(variant), count) as talkers:
                floor = await open_loop(talkers, per_second=inf)
            rows.append(Row(f"the mock alone (floor), {DECIDED[variant]}", _burst(floor)))
            async with talking(bench.ours(variant), count) as talkers:
                cpu = CpuClock(bench.orkesta)
                ours = await open_loop(talkers, per_second=inf)
                used = {"server CPU s": cpu.seconds()}
            rows.append(Row(bench.name(variant), _burst(ours) | used))
            failures += floor.failures + ours.failures
    finally:
        await set_delay(bench.mock, 0.0)
    return Result(
        "C",
        f"{count:,} messages at once, each LLM call takes 0.5 s",
        rows,
        "all answered; production within 3 s, embedded 10 s",
        summed_up(failures),
    )


async def a_long_session(bench: Bench) -> Result:
    """D: the 500th turn of a session costs what the first did. The early turns are those of fresh
    sessions, taken in turn with the late ones, so that both meet the machine in the same mood.
    """
    rows, failures = [], []
    count = bench.scaled(490)
    for variant in Variant:
        async with talking(bench.ours(variant), 1) as [old]:
            load = await closed_loop([old], turns_each=count)
            early, late = await _by_turns(old, bench.ours(variant))
        first, last = (median(turn.whole * 1000 for turn in turns) for turns in (early, late))
        figures = {
            "turns 1–10, ms": first,
            f"turns {count + 1}–{count + len(late)}, ms": last,
            "ratio": last / first,
        }
        rows.append(Row(bench.name(variant), figures))
        failures += [turn.failure for turn in (*load.turns, *early, *late) if turn.failure]
    title = f"One session of {count + 100} turns, beside fresh ones"
    return Result("D", title, rows, "ratio <= 1.1", summed_up(failures))


async def _by_turns(old: Talker, make: Callable[[], Talker]) -> tuple[list[Turn], list[Turn]]:
    """Ten turns of each of ten fresh sessions, and as many of the old one, alternately."""
    early, late = [], []
    async with talking(make, 10) as fresh:
        for talker in fresh:
            for _ in range(10):
                early.append(await talker.turn())
                late.append(await old.turn())
    return early, late


async def _turns_of_one(make: Callable[[], Talker], count: int) -> Load:
    async with talking(make, 1) as talkers:
        return await closed_loop(talkers, turns_each=count)


def _latencies(load: Load, *, less: Load | None = None) -> dict[str, float]:
    figures = {}
    for percent in (50, 95):
        floor = (less.first_token_ms(percent), less.whole_ms(percent)) if less else (0.0, 0.0)
        figures[f"first token p{percent}"] = load.first_token_ms(percent) - floor[0]
        figures[f"whole turn p{percent}"] = load.whole_ms(percent) - floor[1]
    return figures


def _throughput(load: Load) -> dict[str, float]:
    return {
        "turns/s": load.turns_per_second,
        "first token p50 ms": load.first_token_ms(50),
        "whole turn p50 ms": load.whole_ms(50),
        "whole turn p95 ms": load.whole_ms(95),
        "driver CPU ms a turn": load.driver_cpu * 1000 / max(1, len(load.turns)),
    }


def _burst(load: Load) -> dict[str, float]:
    answered = load.answered
    return {
        "all accepted s": max((turn.accepted for turn in answered), default=0.0),
        "first token p50 s": load.first_token_ms(50) / 1000,
        "all answered s": max((turn.whole for turn in answered), default=0.0),
        "answered": len(answered),
        "failed": len(load.failures),
    }


async def _calls(mock: Mock) -> int:
    counts = await _ask(mock, request("GET", "/counts", host=HOST))
    return int(sum(counts.values()))


async def set_delay(mock: Mock, seconds: float) -> None:
    await _ask(mock, request("PUT", "/control", host=HOST, body={"delay_seconds": seconds}))


async def _ask(mock: Mock, message: bytes) -> dict[str, int]:
    http = await HttpConnection.open(HOST, mock.port)
    reply = await http.exchange(message)
    http.close()
    found: dict[str, int] = reply.json()
    return found
