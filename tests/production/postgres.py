"""A PostgreSQL that a test may kill and start again."""

import importlib
import tempfile
import uuid
from pathlib import Path

from tests.services import address_of, start_postgres


class MortalPostgres:
    """A server of its own; its data goes with it."""

    def __init__(self) -> None:
        directory = Path(tempfile.gettempdir(), f"orkesta-mortal-{uuid.uuid4().hex}")
        self._server = start_postgres(directory)
        self.url = address_of(self._server)
        self.is_alive = True

    def kill(self) -> None:
        """End it as a crash would: nothing is flushed, every connection breaks."""
        self.is_alive = False
        commands = importlib.import_module("pgserver._commands")
        commands.pg_ctl(
            ["-m", "immediate", "stop"],
            pgdata=self._server.pgdata,
            user=self._server.system_user,
        )

    def restart(self) -> None:
        """Start it on the same data and address; returns when it takes connections."""
        self._server.ensure_postgres_running()
        self.is_alive = True

    def remove(self) -> None:
        self._server.cleanup()
