"""The demo's database, written once in a run: to migrate and seed it takes longer than to serve it.

What a newcomer's first start does is proved in tests/conversations/test_serve.py.
"""

import fcntl
import os
import shutil
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serving import Installation


@dataclass(frozen=True, slots=True)
class Demo:
    """A database with the demo's tenants in it, which nobody serves, and a key that opens it."""

    database: Path
    key: str

    def installed_in(
        self, directory: Path, settings: Mapping[str, str] | None = None
    ) -> Installation:
        """A copy of its own, ready to be served."""
        database = directory / "orkesta.sqlite3"
        shutil.copyfile(self.database, database)
        return Installation(database, settings=settings or {})


def _make(directory: Path) -> None:
    made = Installation(directory / "making.sqlite3")
    with made.serve("--demo") as served:
        (directory / "demo.key").write_text(served.key)
        assert served.end(signal.SIGTERM) == 0, served.log.read_text()
    with closing(sqlite3.connect(made.database)) as connection:
        connection.execute("VACUUM INTO ?", [str(directory / "demo.sqlite3")])


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """What all processes of this run copy; whoever needs it first makes it."""
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent
    database = directory / "demo.sqlite3"
    with (directory / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            _make(directory)
    return Demo(database, (directory / "demo.key").read_text())
