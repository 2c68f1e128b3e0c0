"""`manage.py run_quarantine`: the child of a worker in which suspected tasks run.

Workers start it and talk to it (`conversations.engine.chamber`); it is of no use to people.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

import orjson
from django.core.management.base import BaseCommand

from conversations import live
from conversations.engine.chamber import DONE, READY
from conversations.engine.claims import Claim
from conversations.engine.runner import Runner, Stop
from orkesta.event_loop import run
from orkesta.failpoints import Failpoint, failpoint
from routing.gateway import get_gateway

#: For the last events on their way to watchers.
FAREWELL_SECONDS: Final = 0.5


class Command(BaseCommand):
    help = "Run suspected tasks for a worker, which starts this by itself."

    def handle(self, *args: Any, **options: Any) -> None:
        # Whoever ends the worker ends it, and it ends this: a signal to all of them is not heard.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        run(Chambermaid().serve())


class Chambermaid:
    """Obeys the lines that come in, each about one task."""

    def __init__(self) -> None:
        self._runners: dict[str, Runner] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Until stdin ends."""
        live.bind_loop()
        ended = asyncio.Event()
        # A thread of its own, so that a task that blocks the loop is ended with its worker, too.
        threading.Thread(
            target=self._read, args=(asyncio.get_running_loop(), ended), daemon=True
        ).start()
        _say(READY)
        await ended.wait()
        await asyncio.sleep(FAREWELL_SECONDS)
        os._exit(0)

    def _read(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        for line in sys.stdin.buffer:
            order, _, fields = line.partition(b" ")
            loop.call_soon_threadsafe(self._obey, order.decode(), orjson.loads(fields))
        if self._runners:
            os._exit(1)
        loop.call_soon_threadsafe(ended.set)

    def _obey(self, order: str, fields: Mapping[str, Any]) -> None:
        if order == "run":
            running = asyncio.create_task(self._run(Claim.unpacked(fields)))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        elif (runner := self._runners.get(fields["name"])) is not None:
            if order == "stop":
                runner.stop(Stop(fields["why"]))
            else:
                runner.finish_step()

    async def _run(self, claim: Claim) -> None:
        failpoint(Failpoint.TASK_CLAIMED)
        runner = self._runners[claim.name] = Runner(claim, get_gateway())
        await runner.run()
        del self._runners[claim.name]
        _say(f"{DONE} {claim.name}")


def _say(line: str) -> None:
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the worker has gone
        os._exit(1)
