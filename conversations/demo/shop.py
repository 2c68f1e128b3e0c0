"""The demo's hardware store as a process beside the server: the MCP server of examples/ferreteria.

It is a child that is told nothing of this installation but its own token. It ends with the server
however that ends, and is started again when it crashes. The socket it listens on is this process's:
who calls while it starts waits a moment, and is not refused.
"""

import logging
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from conversations.demo.access import shop_token
from orkesta.env import PROJECT_ROOT
from orkesta.errors import Unavailable
from orkesta.outbound import own_server_allowed

logger = logging.getLogger(__name__)

MODULE: Final = "examples.ferreteria"
HOST: Final = "127.0.0.1"
SECONDS_TO_START: Final = 60.0
SECONDS_TO_END: Final = 5.0
#: Between a crash and the next start; doubled with each crash, until one start lasts.
FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0


class ShopNotRunning(Unavailable):
    """The MCP server of the demo does not start."""

    code = "shop_not_running"


@contextmanager
def shop_running() -> Iterator[str]:
    """Have the store's server run while the block does, at the address that this gives.

    Empty when it does not start: the demo then lacks its tools, and everything else works.
    """
    shop = ShopServer()
    try:
        url = shop.start()
    except ShopNotRunning as exc:
        logger.error("%s Agents of the demo are without tools.", exc.message)
        yield ""
        return
    try:
        with own_server_allowed(urlsplit(url).netloc):
            yield url
    finally:
        shop.stop()


class ShopServer:
    """The child process, and a thread that starts another when it crashes."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._is_ending = Event()
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Its address, where it answers. Raises ShopNotRunning."""
        process = self._process = _launch(self._listener)
        url = _first_line(process)
        if not url:
            self.stop()
            raise ShopNotRunning
        Thread(target=self._watch, args=(process,), name="shop", daemon=True).start()
        return url

    def stop(self) -> None:
        with self._lock:
            self._is_ending.set()
            process = self._process
        if process is not None:
            _end(process)
        self._listener.close()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = monotonic()
            status = process.wait()
            if self._is_ending.is_set():
                return
            if monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            logger.warning("the demo's MCP server ended (%s); starting it again", status)
            self._is_ending.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            with self._lock:
                if self._is_ending.is_set():
                    return
                process = self._process = _launch(self._listener)


def _launch(listener: socket.socket) -> subprocess.Popen[bytes]:
    """A child that ends when its standard input does: the kernel closes it with this process.

    In a session of its own, so that Ctrl-C in a terminal reaches this process alone, which ends it.
    """
    fd = listener.fileno()
    command = [sys.executable, "-m", MODULE, "--fd", str(fd), "--data", str(_data_file())]
    return subprocess.Popen(
        [*command, "--ends-with-parent"],
        pass_fds=[fd],
        cwd=PROJECT_ROOT,
        env={"PATH": os.environ.get("PATH", os.defpath), "FERRETERIA_TOKEN": shop_token()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def _first_line(process: subprocess.Popen[bytes]) -> str:
    """What the child says when it listens; empty when it never does."""
    said = process.stdout
    if said is None or not select.select([said], [], [], SECONDS_TO_START)[0]:
        return ""
    return said.readline().decode().strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _data_file() -> Path:
    """Beside the database where that is a file, else in var/."""
    if settings.IS_SQLITE:
        return Path(settings.DATABASES["default"]["NAME"]).resolve().parent / "ferreteria.sqlite3"
    return PROJECT_ROOT / "var" / "ferreteria.sqlite3"
