"""One serving process per SQLite file.

The embedded set-up keeps live events, limits and partial answers in the memory of its one process,
and SQLite lets one writer in at a time. A second process on the same file would seem to work and
lose events, so it is refused before it starts. The kernel holds the lock: it is gone the moment
the process is, kill -9 included, and nothing stale is left to clean up.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from orkesta.errors import Unavailable


class DatabaseInUse(Unavailable):
    """Another process already serves this SQLite file."""

    code = "database_in_use"


@contextmanager
def sole_process() -> Iterator[None]:
    """Be the only serving process on the configured SQLite file, or raise `DatabaseInUse`.

    With a database server there is nothing to hold: any number of processes may serve it.
    """
    if not settings.IS_SQLITE:
        yield
        return
    database = Path(settings.DATABASES["default"]["NAME"])
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{database}.lock", "a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise DatabaseInUse(_who_holds(lock.name, database)) from exc
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def stay_sole_process() -> None:
    """`sole_process` until this process ends, for servers that are started without `manage.py
    serve`. Raises DatabaseInUse.
    """
    _FOR_GOOD.enter_context(sole_process())


_FOR_GOOD: Final = ExitStack()


def _who_holds(lock: str, database: Path) -> str:
    pid = Path(lock).read_text(encoding="ascii").strip() or "unknown"
    return (
        f"Another process (pid {pid}) already serves {database}. "
        "Stop it first, or give this one a database of its own with DATABASE_URL."
    )
