"""The production set-up: PostgreSQL, Valkey, a web server and workers, each of its own process."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil
import psycopg

from bench.processes import Child, free_port, run, running, wait_for_line, wait_for_port
from bench.setups import HOST, Mock, Orkesta, Shape, environment, make_tenant
from tests.services import Valkey, address_of, start_postgres

WORKER_READY: Final = "Worker "
SERVER_OPTIONS: Final = {
    "uvicorn": ["--host", HOST, "--log-level", "warning", "--backlog", "2048"],
    "daphne": ["--bind", HOST, "--verbosity", "0"],
}


class Workers:
    """The workers, one of which can be made to crash."""

    def __init__(self, env: dict[str, str], directory: Path, stack: ExitStack) -> None:
        self._env, self._directory, self._stack = env, directory, stack
        self._num_started = 0
        self.children: list[Child] = []

    def start(self) -> None:
        """Start one; returns when it works."""
        self._num_started += 1
        command, name = ["manage.py", "run_worker"], f"worker-{self._num_started}"
        child = self._stack.enter_context(
            running(name, command, env=self._env, directory=self._directory)
        )
        wait_for_line(child, WORKER_READY, seconds=60.0)
        self.children.append(child)

    def crash_oldest(self) -> None:
        """`kill -9`."""
        child = self.children.pop(0)
        child.process.kill()
        child.process.wait()


@contextmanager
def production(mock: Mock, shape: Shape) -> Iterator[Orkesta]:
    """Everything fresh, everything on this machine. PostgreSQL waits for the disk at every commit,
    as it would where it matters.
    """
    with tempfile.TemporaryDirectory(prefix="orkesta-bench-") as directory, ExitStack() as stack:
        place = Path(directory)
        postgres = start_postgres(place / "postgres")
        stack.callback(postgres.cleanup)
        _wait_for_the_disk(address_of(postgres))
        valkey = Valkey()
        stack.callback(valkey.kill)
        port = free_port()
        env = environment(database_url=address_of(postgres), port=port, REDIS_URL=valkey.url)
        run(["manage.py", "migrate", "--verbosity", "0"], env=env)
        made = make_tenant(mock, env=env)
        workers = Workers(env, place, stack)
        for _ in range(shape.num_workers):
            workers.start()
        command = ["-m", shape.server, "--port", str(port), *SERVER_OPTIONS[shape.server]]
        command.append("orkesta.asgi:application")
        web = stack.enter_context(running("web", command, env=env, directory=place))
        wait_for_port(web, port)

        def crash_worker() -> None:
            workers.crash_oldest()
            workers.start()

        yield Orkesta(
            (web, *workers.children),
            port,
            made["slug"],
            made["key"],
            services=(postgres.get_pid(), _pid_listening_on(urlsplit(valkey.url).port)),
            crash_worker=crash_worker if shape.num_workers > 1 else None,
        )


def _wait_for_the_disk(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = on")
        connection.execute("SELECT pg_reload_conf()")


def _pid_listening_on(port: int | None) -> int:
    """The child of ours that listens there."""
    for process in psutil.Process().children(recursive=True):
        for socket in process.net_connections("tcp4"):
            if socket.status == psutil.CONN_LISTEN and socket.laddr.port == port:
                return process.pid
    raise RuntimeError(f"nobody listens on {port}")
