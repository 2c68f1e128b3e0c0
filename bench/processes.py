"""Child processes: each started by us, watched by its pid, and ended by its pid."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parent.parent


class ChildFailed(RuntimeError):
    """A child process ended, or did not get ready; the message ends with its last words."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child process and the file its output goes to."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([f"--- the end of {self.log.name}:", *lines[-25:]])

    def check(self) -> None:
        """Raises ChildFailed when the process is gone."""
        code = self.process.poll()
        if code is not None:
            raise ChildFailed(f"{self.name} ended with {code}.\n{self.last_words()}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not heard within ten seconds."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(
    name: str, command: Sequence[str], *, env: Mapping[str, str], directory: Path
) -> Iterator[Child]:
    """`python <command>` while the block lasts. It hears nothing of our Ctrl-C: we end it."""
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child = Child(name, process, log)
    try:
        yield child
    finally:
        child.stop()


def run(command: Sequence[str], *, env: Mapping[str, str]) -> str:
    """`python <command>` to its end; what it wrote to stdout. Raises ChildFailed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, env=dict(env), capture_output=True, text=True
    )
    if done.returncode:
        raise ChildFailed(f"{' '.join(command)} ended with {done.returncode}.\n{done.stderr}")
    return done.stdout


def wait_for_line(child: Child, start: str, *, seconds: float = 10.0) -> str:
    """The first line of its output that begins with `start`. Raises ChildFailed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for line in child.log.read_text(errors="replace").splitlines():
            if line.startswith(start):
                return line
        child.check()
        time.sleep(0.02)
    raise ChildFailed(f"{child.name} is not ready after {seconds:g} s.\n{child.last_words()}")


def wait_for_port(child: Child, port: int, *, seconds: float = 60.0) -> None:
    """Until the child accepts connections on 127.0.0.1. Raises ChildFailed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        child.check()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise ChildFailed(f"{child.name} does not listen after {seconds:g} s.\n{child.last_words()}")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time, user and system, that these processes and their children have used so far."""
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            times = process.cpu_times()
            total += times.user + times.system
    return total


def memory_mb(children: Sequence[Child]) -> float:
    """Resident memory of these processes."""
    return sum(psutil.Process(c.process.pid).memory_info().rss for c in children) / 2**20


def end_on_signals() -> None:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that every child is ended."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def clean_environment() -> dict[str, str]:
    """What a child inherits of our environment: nothing that configures Orkesta."""
    kept = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH"}
    return {name: value for name, value in os.environ.items() if name in kept}
