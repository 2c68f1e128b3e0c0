"""Scenario Q: SQL statements a turn, counted in a child process on a fresh SQLite file."""

import json
import sys
import tempfile

from bench.processes import run
from bench.report import Result, Row
from bench.scenarios import DECIDED
from bench.setups import Mock, environment
from bench.talkers import Variant


def statements_per_turn(mock: Mock, *, verbose: bool = False) -> Result:
    """`verbose` also prints every statement to stderr."""
    with tempfile.TemporaryDirectory(prefix="orkesta-bench-") as directory:
        env = environment(database_url=f"sqlite:///{directory}/bench.sqlite3", port=8000)
        run(["manage.py", "migrate", "--verbosity", "0"], env=env)
        found = json.loads(run(["-m", "bench.queries", "--llm", mock.base_url], env=env))
    if verbose:
        for variant, parts in found.items():
            for part, statements in parts.items():
                for number, statement in enumerate(statements, 1):
                    print(f"{variant} {part} {number}. {statement}", file=sys.stderr)
    rows = [
        Row(DECIDED[variant], {part: len(found[variant][part]) for part in ("edge", "engine")})
        for variant in Variant
    ]
    title = "SQL statements a turn, BEGIN and COMMIT aside"
    return Result("Q", title, rows, "edge + engine <= 8, on PostgreSQL")
