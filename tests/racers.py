"""Processes that start the same thing at the same moment, for tests of what is shared."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
READY = "ready\n"


def wait_for_start() -> None:
    """In a racer: say that everything is prepared, and wait for the others."""
    sys.stdout.write(READY)
    sys.stdout.flush()
    sys.stdin.readline()


def finish(result: str) -> None:
    """In a racer: say the one line that `race` returns for it."""
    sys.stdout.write(result)
    sys.stdout.flush()


def race(module: str, *arguments: str, num_processes: int) -> list[str]:
    """Run `python -m module arguments` that many times; what each said at the end.

    The module calls `wait_for_start()` when it is ready and `finish()` with its result.
    """
    command = [sys.executable, "-m", module, *arguments]
    pipe = subprocess.PIPE
    racers = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        for _ in range(num_processes)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == READY
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        return [racer.communicate(timeout=60)[0].strip() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
