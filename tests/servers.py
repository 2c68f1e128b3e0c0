"""The ASGI application under the servers people run it with, as real processes without a worker."""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orkesta.env import PROJECT_ROOT
from tests.serving import SECONDS_TO_START, Installation, free_port

COMMANDS = {
    "daphne": ["daphne", "-v", "0", "-b", "127.0.0.1", "-p"],
    "uvicorn": ["uvicorn", "--log-level", "warning", "--host", "127.0.0.1", "--port"],
}


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    pid: int
    log: Path

    def __str__(self) -> str:
        return f"127.0.0.1:{self.port}"

    def said(self) -> str:
        """Everything it has written about itself."""
        return self.log.read_text(encoding="utf-8")


@contextmanager
def run_server(name: str, installation: Installation) -> Iterator[Running]:
    """`orkesta.asgi` under this server, until the block ends."""
    port, log = free_port(), Path(f"{installation.database}.{name}.log")
    command = [sys.executable, "-m", *COMMANDS[name], str(port), "orkesta.asgi:application"]
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env=installation.environment | {"PYTHONPATH": str(PROJECT_ROOT)},
            stdout=file,
            stderr=file,
        ) as process,
    ):
        try:
            _wait_for(port, process, log)
            yield Running(port, process.pid, log)
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status < 500:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError(f"{log}: the server does not answer")
