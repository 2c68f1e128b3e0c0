"""The set-ups that are measured: how each is started, and where it is found."""

import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.processes import (
    Child,
    clean_environment,
    free_port,
    run,
    running,
    wait_for_line,
    wait_for_port,
)

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Mock:
    """The mock LLM, running."""

    child: Child
    port: int

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"


@dataclass(frozen=True, slots=True)
class Orkesta:
    """Orkesta, running with the bench tenant in it. `children` are the processes whose CPU time
    and memory count: servers and workers, not the database. `services` are the pids of PostgreSQL
    and Valkey, whose CPU time is told apart.
    """

    children: tuple[Child, ...]
    port: int
    tenant: str
    key: str
    services: tuple[int, ...] = ()
    #: Ends a worker as a crash would, and starts another; None where there is none to spare.
    crash_worker: Callable[[], None] | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(child.process.pid for child in self.children)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a set-up is made of, where it leaves a choice."""

    server: Literal["uvicorn", "daphne"] = "uvicorn"
    num_workers: int = 1


Setup = Callable[[Mock, Shape], AbstractContextManager[Orkesta]]


@contextmanager
def mock_llm() -> Iterator[Mock]:
    with tempfile.TemporaryDirectory(prefix="orkesta-bench-") as directory:
        env = clean_environment()
        command = ["-m", "bench.mock_llm"]
        with running("mock-llm", command, env=env, directory=Path(directory)) as child:
            line = wait_for_line(child, "listening on ")
            yield Mock(child, int(line.rsplit(" ", 1)[1]))


@contextmanager
def embedded(mock: Mock, shape: Shape) -> Iterator[Orkesta]:
    """`manage.py serve` on a fresh SQLite file: one process, no services."""
    with tempfile.TemporaryDirectory(prefix="orkesta-bench-") as directory:
        port = free_port()
        env = environment(database_url=f"sqlite:///{directory}/bench.sqlite3", port=port)
        run(["manage.py", "migrate", "--verbosity", "0"], env=env)
        made = make_tenant(mock, env=env)
        with running("serve", ["manage.py", "serve"], env=env, directory=Path(directory)) as child:
            wait_for_port(child, port)
            yield Orkesta((child,), port, made["slug"], made["key"])


def environment(*, database_url: str, port: int, **more: str) -> dict[str, str]:
    """Environment variables of an installation of its own, with its own secrets and no limits."""
    return clean_environment() | {
        "DATABASE_URL": database_url,
        "HOST": HOST,
        "PORT": str(port),
        "ORCHESTRATOR_SECRET_KEY": secrets.token_urlsafe(48),
        "ORCHESTRATOR_ENCRYPTION_KEYS": secrets.token_urlsafe(32),
        "ORCHESTRATOR_KEY_PEPPERS": secrets.token_urlsafe(32),
        "ORCHESTRATOR_DEBUG": "false",
        "ORCHESTRATOR_ALLOW_PRIVATE_UPSTREAMS": "true",
        "ORCHESTRATOR_MAX_WEBSOCKET_CONNECTIONS": "20000",
        "ORCHESTRATOR_WORKER_CONCURRENCY": "2000",
        "ORCHESTRATOR_LOG_LEVEL": "WARNING",
        "REDIS_URL": "",
        **more,
    }


def make_tenant(mock: Mock, *, env: dict[str, str]) -> dict[str, str]:
    """The bench tenant in the database of `env`, its LLM being the mock."""
    made: dict[str, str] = json.loads(run(["-m", "bench.tenant", "--llm", mock.base_url], env=env))
    return made
