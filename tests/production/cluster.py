"""The production set-up as real processes: web servers and workers on PostgreSQL and Valkey."""

import json
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Literal

import httpx2
import psycopg

from bench.processes import Child, clean_environment, free_port, run, running, wait_for_port
from tests.production.upstream import Upstream

Server = Literal["uvicorn", "daphne"]
SEND: Final = "/api/v1/chat/send"
#: Short, so that a dead worker is found out quickly. Looks are rare, so that what happens at once
#: is known to have been told and not found.
SETTINGS: Final = {
    "ORCHESTRATOR_LEASE_SECONDS": "2",
    "ORCHESTRATOR_LEASE_RENEW_SECONDS": "0.5",
    "ORCHESTRATOR_WORKER_SLEEP_SECONDS": "2",
    "ORCHESTRATOR_ALLOW_PRIVATE_UPSTREAMS": "true",
    "ORCHESTRATOR_LOG_LEVEL": "INFO",
    "ORCHESTRATOR_SECRET_KEY": "a-secret-key-of-the-production-tests",
    "ORCHESTRATOR_ENCRYPTION_KEYS": "an-encryption-key-of-the-production-tests",
    "ORCHESTRATOR_KEY_PEPPERS": "a-pepper-of-the-production-tests-alone",
}


@dataclass(frozen=True, slots=True)
class Web:
    """A web server and a client that holds the tenant's key."""

    child: Child
    port: int
    client: httpx2.Client

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        content = None if body is None else json.dumps(body)
        return self.client.request(method, path, content=content, headers=headers)

    def send(self, message: str, session_id: str | None = None) -> dict[str, Any]:
        """Accepted: its task and session."""
        body = {"message": message} | ({"session_id": session_id} if session_id else {})
        answer = self.call("POST", SEND, body)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def task(self, task_id: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/api/v1/tasks/{task_id}").json())

    def wait_for(self, task_id: str, *statuses: str, seconds: float = 60.0) -> dict[str, Any]:
        """The task, once it is in one of these."""
        return wait_until(
            lambda: self.task(task_id), lambda task: task["status"] in statuses, seconds
        )


@dataclass
class Cluster:
    """Processes that share one database and one Valkey. Close `stack` to end them."""

    database_url: str
    redis_url: str
    directory: Path
    upstream: Upstream
    settings: Mapping[str, str] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    workers: list[Child] = field(default_factory=list)
    num_started: int = 0

    def prepare(self) -> None:
        """Make the tables and the tenant."""
        run(["manage.py", "migrate", "--verbosity", "0"], env=self.environment())
        made = run(["-m", "bench.tenant", "--llm", self.upstream.base_url], env=self.environment())
        self.tenant, self.key = (json.loads(made)[name] for name in ("slug", "key"))

    def furnish(self, till: str) -> None:
        """Give the tenant's agents tools that ask the till at this URL."""
        run(["-m", "tests.production.furnish", "--till", till], env=self.environment())

    def environment(self, **more: str) -> dict[str, str]:
        urls = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        return clean_environment() | SETTINGS | self.settings | urls | more

    def web(self, server: Server = "uvicorn", *, port: int | None = None, **more: str) -> Web:
        """Start one more web server; returns when it listens."""
        return self.wait_for_web(self.start_web(server, port=port, **more))

    def start_web(
        self,
        server: Server = "uvicorn",
        *,
        port: int | None = None,
        application: str = "orkesta.asgi:application",
        **more: str,
    ) -> tuple[Child, int]:
        port = port or free_port()
        options = {
            "uvicorn": ["--host", "127.0.0.1", "--log-level", "warning"],
            "daphne": ["--bind", "127.0.0.1", "--verbosity", "0"],
        }[server]
        command = ["-m", server, "--port", str(port), *options, application]
        return self._start(f"web-{server}", command, **more), port

    def wait_for_web(self, started: tuple[Child, int]) -> Web:
        child, port = started
        wait_for_port(child, port)
        client = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            timeout=20,
        )
        self.stack.callback(client.close)
        return Web(child, port, client)

    def start_worker(self, **more: str) -> Child:
        child = self._start("worker", ["manage.py", "run_worker"], **more)
        self.workers.append(child)
        return child

    def keep_workers(self, number: int) -> list[Child]:
        """Let so many workers be at work, and no more."""
        self.workers = [child for child in self.workers if child.process.poll() is None]
        missing = [self.start_worker() for _ in range(number - len(self.workers))]
        for child in self.workers[number:]:
            child.stop()
        for child in missing:
            wait_for_worker(child)
        return self.workers[:number]

    def worker_of(self, task_id: str) -> Child:
        """The process that has claimed the task."""
        [(name,)] = self.rows("SELECT worker FROM conversations_task WHERE id = %s", task_id)
        return next(child for child in self.workers if f":{child.process.pid}:" in name)

    def rows(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, params).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement)

    def _start(self, name: str, command: list[str], **more: str) -> Child:
        self.num_started += 1
        name = f"{name}-{self.num_started}"
        env, directory = self.environment(**more), self.directory
        return self.stack.enter_context(running(name, command, env=env, directory=directory))


def wait_for_worker(child: Child) -> None:
    """Until it says that it works."""
    wait_until(
        lambda: (child.check(), child.log.read_text())[1],
        lambda log: "tasks at once" in log,
        120,
    )


def kill(child: Child, number: int = signal.SIGKILL) -> None:
    child.process.send_signal(number)
    if number == signal.SIGKILL:
        child.process.wait(60)


def wait_until(look: Callable[[], Any], is_right: Callable[[Any], bool], seconds: float) -> Any:
    """What `look` returns, once it is right; it is looked at again and again."""
    until = monotonic() + seconds
    while not is_right(seen := look()):
        assert monotonic() < until, seen
        sleep(0.02)
    return seen
