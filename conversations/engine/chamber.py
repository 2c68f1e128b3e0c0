"""A child process in which suspected tasks run, so that one that kills its process is found out.

Only its worker, which lives on, can bear witness that the child died of what ran in it: a process
that is gone together with its children proves nothing (docs/adr/0011).

The two speak in lines: `run`, `stop` and `finish_step` with JSON go in at stdin; `ready` and
`done` come out at stdout. The end of stdin ends the child.
"""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final

import orjson
from django.conf import settings

from conversations.engine.claims import Claim

logger = logging.getLogger(__name__)

COMMAND: Final = "run_quarantine"
READY: Final = "ready"
DONE: Final = "done"
START_SECONDS: Final = 60.0


class Fate(StrEnum):
    """What became of a task's run in a chamber."""

    RAN = "ran"
    """The child did with it what a worker does."""
    ALONE = "alone"
    """The child died while nothing else ran in it."""
    AMONG_OTHERS = "among_others"
    """The child died, of this task or of another one."""
    NEVER_BEGAN = "never_began"
    """No child could be had."""


class Chamber:
    """One child at a time: started when somebody enters, ended when the last one leaves."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._inside: dict[str, asyncio.Future[Fate]] = {}
        self._num_users = 0

    async def run(self, claim: Claim) -> Fate:
        """Run the task to where its worker would bring it."""
        async with self.kept_open():
            if not await self._open():
                return Fate.NEVER_BEGAN
            fate: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
            self._inside[claim.name] = fate
            try:
                self._say("run", claim.packed())
                return await fate
            finally:
                self._inside.pop(claim.name, None)

    @asynccontextmanager
    async def kept_open(self) -> AsyncIterator[None]:
        """The child stays while anybody is in here."""
        self._num_users += 1
        try:
            yield
        finally:
            self._num_users -= 1
            if not self._num_users:
                self._close()

    def tell(self, order: str, claim: Claim, **more: str) -> None:
        """Pass on an order to a task that is inside; to any other it means nothing."""
        if self.holds(claim):
            self._say(order, {"name": claim.name, **more})

    def holds(self, claim: Claim) -> bool:
        return claim.name in self._inside

    # --- The child ----------------------------------------------------------------------------

    async def _open(self) -> bool:
        """Whether a child is there and ready."""
        async with self._opening:
            if self._process is not None:
                return True
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "django", COMMAND),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=settings.BASE_DIR,
                env=os.environ | {"DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE},
                # A Ctrl-C for its worker is not for it: it would look like a death of the task.
                start_new_session=True,
            )
            if not await _is_ready(process):
                logger.error("a quarantine could not be opened; its tasks are tried again later")
                if process.returncode is None:
                    process.kill()
                return False
            self._process = process
            self._reader = asyncio.create_task(self._read(process))
            return True

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hear what is done, until the child is gone."""
        assert process.stdout is not None  # noqa: S101 - for the type checker
        async for line in process.stdout:
            word, _, done = line.decode().strip().partition(" ")
            if word == DONE:
                self._decide(done, Fate.RAN)
        fate = Fate.ALONE if len(self._inside) == 1 else Fate.AMONG_OTHERS
        logger.error("a quarantine died with %s tasks in it", len(self._inside))
        self._process = None
        for name in tuple(self._inside):
            self._decide(name, fate)
        await process.wait()

    def _decide(self, name: str, fate: Fate) -> None:
        waiting = self._inside.pop(name, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(fate)

    def _say(self, order: str, fields: dict[str, object]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(order.encode() + b" " + orjson.dumps(fields) + b"\n")

    def _close(self) -> None:
        process, self._process = self._process, None
        if self._reader is not None:
            self._reader.cancel()
        if process is not None:
            _end(process)


async def _is_ready(process: asyncio.subprocess.Process) -> bool:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    try:
        async with asyncio.timeout(START_SECONDS):
            return (await process.stdout.readline()).decode().strip() == READY
    except TimeoutError:
        return False


def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing more comes: the child goes, at once if something still runs in it."""
    if process.stdin is not None:
        process.stdin.close()
