"""Runs the benchmarks and prints what they found.

python -m bench                        all, in the embedded set-up: a few minutes
python -m bench --setup production     on PostgreSQL and Valkey
python -m bench --scenario A C         only these
python -m bench --scale 0.1            a quick look, not a measurement
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

from bench import scenarios
from bench.processes import ChildFailed, end_on_signals
from bench.production import production
from bench.report import Result, as_json, as_table
from bench.resuming import a_dead_workers_turns
from bench.rules import routing_among_rules
from bench.scenarios import Bench
from bench.setups import Mock, Setup, Shape, embedded, mock_llm
from bench.statements import statements_per_turn

SERVED: dict[str, Callable[[Bench], Awaitable[Result]]] = {
    "A": scenarios.one_user,
    "B": scenarios.fifty_users,
    "C": scenarios.a_thousand_at_once,
    "D": scenarios.a_long_session,
}
SETUPS: dict[str, Setup] = {"embedded": embedded, "production": production}
CRASHES = "I"
NAMES = (*SERVED, "G", "Q", CRASHES)


def results(arguments: argparse.Namespace) -> Iterator[Result]:
    """One after the other; every process that is started is ended before this is."""
    is_production = arguments.setup == "production"
    names = arguments.scenario or [name for name in NAMES if is_production or name != CRASHES]
    wanted = [name.upper() for name in names]
    with ExitStack() as stack:
        served = [name for name in wanted if name in SERVED]
        if "G" in wanted:
            yield routing_among_rules()
        if not served and not {"Q", CRASHES} & set(wanted):
            return
        mock = stack.enter_context(mock_llm())
        if "Q" in wanted:
            yield statements_per_turn(mock, verbose=arguments.verbose)
        if served:
            yield from _served(mock, served, arguments)
        if CRASHES in wanted:
            yield _crashes(mock, arguments)


def _crashes(mock: Mock, arguments: argparse.Namespace) -> Result:
    """In a set-up of its own: one worker dies, and another one is there."""
    shape = Shape(arguments.server, max(2, arguments.workers))
    with SETUPS[arguments.setup](mock, shape) as orkesta, asyncio.Runner() as runner:
        bench = Bench(arguments.setup, mock, orkesta, arguments.scale)
        runner.run(scenarios.warm_up(bench))
        return runner.run(a_dead_workers_turns(bench))


def _served(mock: Mock, names: list[str], arguments: argparse.Namespace) -> Iterator[Result]:
    shape = Shape(arguments.server, arguments.workers)
    with SETUPS[arguments.setup](mock, shape) as orkesta, asyncio.Runner() as runner:
        name = f"{arguments.setup}, {shape.server}" if orkesta.services else arguments.setup
        bench = Bench(name, mock, orkesta, arguments.scale)
        runner.run(scenarios.warm_up(bench))
        for name in names:
            yield runner.run(_run(SERVED[name], bench))


async def _run(scenario: Callable[[Bench], Awaitable[Result]], bench: Bench) -> Result:
    return await scenario(bench)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scenario", nargs="*", metavar="NAME", choices=[*NAMES, *map(str.lower, NAMES)]
    )
    parser.add_argument("--setup", choices=SETUPS, default="embedded")
    parser.add_argument("--server", choices=["uvicorn", "daphne"], default="uvicorn")
    parser.add_argument("--workers", type=int, default=1, help="production: so many processes")
    parser.add_argument("--scale", type=float, default=1.0, help="1 measures; less only looks")
    parser.add_argument("--verbose", action="store_true", help="print every SQL statement of Q")
    return parser.parse_args()


def main() -> int:
    """0 when every turn succeeded."""
    arguments = read_arguments()
    end_on_signals()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, set-up {arguments.setup}\n")
    found = []
    try:
        for result in results(arguments):
            print(as_table(result), flush=True)
            found.append(result)
    except ChildFailed as exc:
        print(exc, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(as_json(found))
    return 1 if any(result.failures for result in found) else 0


if __name__ == "__main__":
    sys.exit(main())
