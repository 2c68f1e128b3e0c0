"""`manage.py serve` as a real process, for tests that look at it from the street."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from orkesta.env import PROJECT_ROOT

#: Generous: a machine that is slow is not a mistake.
SECONDS_TO_START = 180.0
SECONDS_TO_END = 45.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Installation:
    """A database of its own, and commands run on it in processes of their own."""

    database: Path
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "orkesta.settings",
            "ORCHESTRATOR_DEBUG": "true",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "PORT": str(self.port),
            **self.settings,
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, PROJECT_ROOT / "manage.py", *command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_TO_START,
        )

    @contextmanager
    def serve(self, *options: str) -> Iterator["Served"]:
        """The running server, once it has printed its lines; killed at the end if it still runs."""
        with (
            subprocess.Popen(
                [sys.executable, PROJECT_ROOT / "manage.py", "serve", *options],
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=(log := open(f"{self.database}.log", "w+", encoding="utf-8")),
                text=True,
            ) as process,
            log,
        ):
            served = Served(process, self.port, Path(log.name))
            try:
                served.read_lines()
                yield served
            finally:
                process.kill()


@dataclass
class Served:
    """A server that runs, and what it said of itself."""

    process: subprocess.Popen[str]
    port: int
    log: Path
    lines: list[str] = field(default_factory=list)

    def read_lines(self) -> None:
        assert self.process.stdout is not None
        until = time.monotonic() + SECONDS_TO_START
        while not any("reconnecting_client.py" in line for line in self.lines):
            line = self.process.stdout.readline()
            assert line, self.log.read_text()
            assert time.monotonic() < until
            self.lines.append(line.rstrip("\n"))

    @property
    def key(self) -> str:
        return next(line.split()[2] for line in self.lines if line.startswith("API key "))

    def end(self, number: int = signal.SIGINT) -> int:
        """Send the signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS_TO_END)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer; the status must be one of success."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status < 300, text
        return json.loads(text)

    def send(self, message: str) -> str:
        """Accepted; the id of its task."""
        task_id: str = self.call("POST", "/api/v1/chat/send", {"message": message})["task_id"]
        return task_id

    def wait_for(self, task_id: str, *statuses: str) -> dict[str, Any]:
        """What `chat/status` says once the task is in one of these."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            found: dict[str, Any] = self.call("POST", "/api/v1/chat/status", {"task_id": task_id})
            if found["status"] in statuses:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{found} is not {statuses}: {self.log.read_text()}")

    def watch(self, session_id: str) -> ClientConnection:
        """A socket on the session's live events."""
        return connect(
            f"ws://127.0.0.1:{self.port}/ws/ferreteria/{session_id}",
            additional_headers={"Authorization": f"Bearer {self.key}"},
        )


def find_line(lines: list[str], pattern: str) -> re.Match[str]:
    """The first line that the pattern matches as a whole."""
    found = [match for line in lines if (match := re.fullmatch(pattern, line))]
    assert found, f"{pattern} is not in {lines}"
    return found[0]
