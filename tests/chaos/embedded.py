"""`manage.py serve` on one SQLite file, killed again and again."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import Child, clean_environment, free_port, run, running, wait_for_port
from tests.chaos.storm import Fault, Storm
from tests.production.cluster import SETTINGS, kill
from tests.production.till import Till
from tests.production.upstream import Upstream


@dataclass
class Installation:
    """One file, one port, one process at a time."""

    directory: Path
    upstream: Upstream
    till: Till
    stack: ExitStack
    port: int = field(default_factory=free_port)
    num_started: int = 0

    @property
    def environment(self) -> dict[str, str]:
        where = {"PORT": str(self.port), "DATABASE_URL": f"sqlite:///{self.file}"}
        return clean_environment() | SETTINGS | where

    @property
    def file(self) -> Path:
        return self.directory / "orkesta.sqlite3"

    def prepare(self) -> None:
        """Make the tables and the tenant, and start."""
        run(["manage.py", "migrate", "--verbosity", "0"], env=self.environment)
        tenant = run(["-m", "bench.tenant", "--llm", self.upstream.base_url], env=self.environment)
        self.key = json.loads(tenant)["key"]
        furnish = ["-m", "tests.production.furnish", "--till", self.till.url]
        run(furnish, env=self.environment)
        self.start()

    def start(self) -> None:
        self.num_started += 1
        name, command = f"serve-{self.num_started}", ["manage.py", "serve"]
        self.child: Child = self.stack.enter_context(
            running(name, command, env=self.environment, directory=self.directory)
        )
        wait_for_port(self.child, self.port)

    def kill(self) -> None:
        """End it as a crash would, and start it again."""
        kill(self.child)
        self.start()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file, timeout=20)) as connection:
            return connection.execute(statement).fetchall()

    def storm(self, *, kills: int, seed: int, num_tasks: int) -> Storm:
        faults: list[Fault] = [self.kill] * kills
        url = f"http://127.0.0.1:{self.port}"
        return Storm([url], self.key, self.rows, self.till, faults, seed, num_tasks)


@contextmanager
def installation(directory: Path) -> Iterator[Installation]:
    with Upstream() as upstream, Till() as till, ExitStack() as stack:
        made = Installation(directory, upstream, till, stack)
        made.prepare()
        yield made
