"""The long form: `make chaos`. Prints what happened, and ends with 1 when a promise was broken.

python -m tests.chaos production --tasks 10000 --workers 4 --kills 50 --freezes 10
python -m tests.chaos embedded --tasks 2000 --kills 100
python -m tests.chaos streams --clients 100 --tokens 500
python -m tests.chaos failover --kills 20
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

from tests.chaos import failover as failovers
from tests.chaos.embedded import installation
from tests.chaos.production import Adversary, storm_over
from tests.chaos.storm import Storm
from tests.chaos.streams import Restarts, stream_storm
from tests.production.cluster import Cluster
from tests.production.postgres import MortalPostgres
from tests.production.till import Till
from tests.production.upstream import Upstream
from tests.services import Valkey

SETTLE_SECONDS = 120.0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def set_up(**settings: str) -> Iterator[tuple[Cluster, MortalPostgres, Valkey]]:
    """PostgreSQL, Valkey and an upstream, and nobody yet who uses them."""
    with tempfile.TemporaryDirectory() as directory, Upstream() as upstream, ExitStack() as stack:
        postgres, valkey = MortalPostgres(), Valkey()
        stack.callback(postgres.remove)
        stack.callback(valkey.kill)
        cluster = Cluster(postgres.url, valkey.url, Path(directory), upstream, settings)
        stack.enter_context(cluster.stack)
        cluster.prepare()
        yield cluster, postgres, valkey


def production(args: argparse.Namespace) -> int:
    """Two web servers and some workers; all of them but the web servers die."""
    with set_up() as (cluster, postgres, valkey), Till() as till:
        cluster.furnish(till.url)
        webs = [cluster.wait_for_web(cluster.start_web()) for _ in range(2)]
        cluster.keep_workers(args.workers)
        adversary = Adversary(cluster, postgres, valkey, num_workers=args.workers)
        faults = adversary.faults(
            kills=args.kills, freezes=args.freezes, postgres=args.postgres, valkey=args.valkey
        )
        size = {"seed": args.seed, "num_tasks": args.tasks, "num_talkers": 12}
        ports = [web.port for web in webs]
        storm = storm_over(cluster, till, faults, ports, **size, max_unfinished=120)
        broken = tell(storm, cluster.upstream)
        say(f"writes fenced: {adversary.num_fenced()}")
        return broken or int(args.freezes > 0 and not adversary.num_fenced())


def streams(args: argparse.Namespace) -> int:
    """Clients follow long answers while their connections, web servers and Valkey go."""
    with set_up() as (cluster, _, valkey):
        webs = {server: cluster.web(server) for server in ("uvicorn", "daphne")}
        cluster.keep_workers(args.workers)
        restarts = Restarts(cluster, valkey, webs)
        faults = [
            lambda: restarts.web("uvicorn"),
            lambda: restarts.valkey(1),
            lambda: restarts.web("daphne"),
            lambda: restarts.valkey(3),
        ]
        size = {"num_clients": args.clients, "num_words": args.tokens, "num_cuts": 10}
        began = monotonic()
        seen = stream_storm(
            list(webs.values()), cluster.key, faults, **size, drip=0.1, seed=args.seed
        )
        say(f"{len(seen)} clients, {args.tokens} tokens each, {monotonic() - began:.0f} s")
        say(f"cuts: {sum(s.num_cuts for s in seen)}")
        say(f"connections: {sum(s.num_connections for s in seen)}")
        say(f"texts that differ: {sum(not s.is_equal for s in seen)}")
        say(f"gaps and repetitions: {sum(s.num_misfits for s in seen)}")
        return int(any(not s.is_equal or s.num_misfits for s in seen))


def failover(args: argparse.Namespace) -> int:
    """How long the tasks of a dead worker wait, with the settings that installations have."""
    with set_up(**failovers.SETTINGS) as (cluster, _, _):
        web = cluster.web()
        kills = min(args.kills, 20)
        seconds = failovers.measure(cluster, web, kills=kills, tasks=30, seed=args.seed)
        say(f"{kills} workers killed, {len(seconds)} tasks claimed by others")
        say(f"after {failovers.percentiles(seconds)}")
        return int(seconds[-1] > 15)


def embedded(args: argparse.Namespace) -> int:
    """One process on one SQLite file, killed and started again."""
    with tempfile.TemporaryDirectory() as directory, installation(Path(directory)) as one:
        broken = tell(
            one.storm(kills=args.kills, seed=args.seed, num_tasks=args.tasks), one.upstream
        )
        integrity = one.rows("PRAGMA integrity_check")
        say(f"integrity_check: {integrity}")
        return broken or int(integrity != [("ok",)])


def tell(storm: Storm, upstream: Upstream) -> int:
    """Let it rage, and report."""
    seconds = storm.rage(seconds_to_settle=SETTLE_SECONDS)
    history = storm.history
    kinds = dict(storm.rows("SELECT kind, count(*) FROM conversations_step GROUP BY kind"))
    steps = sum(kinds.values())
    attempts = storm.rows("SELECT max(attempt), sum(attempt - 1) FROM conversations_task")[0]
    calls = upstream.answers.total() + upstream.decisions.total()
    say(f"seed {storm.seed}: {len(history.acknowledged)} tasks, {steps} steps, {seconds:.0f} s")
    say(f"faults: {len(storm.faults)}; claims beyond the first: {attempts[1]}, most {attempts[0]}")
    say(f"requests repeated: {history.num_repeats}, answered {sorted(history.statuses)}")
    say(f"calls of the upstream beyond one per step: {calls - steps + kinds.get('tool', 0)}")
    charged, asked = len(storm.till.charged), storm.till.asked.total()
    say(f"side effects: {charged}; asked for again with the same key: {asked - charged}")
    broken = storm.broken_promises()
    say(f"promises broken: {len(broken)}")
    for fault in broken[:20]:
        say(f"  {fault}")
    return int(bool(broken))


FORMS: Final = {f.__name__: f for f in (production, embedded, streams, failover)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=list(FORMS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--freezes", type=int, default=10)
    parser.add_argument("--postgres", type=int, default=3)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=500)
    parser.add_argument("--valkey", type=int, default=3)
    args = parser.parse_args()
    return FORMS[args.form](args)


if __name__ == "__main__":
    sys.exit(main())
