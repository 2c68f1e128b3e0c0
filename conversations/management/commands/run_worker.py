"""`manage.py run_worker`: runs tasks, beside any number of other workers on any machine."""

import asyncio
import os
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import live
from conversations.engine.worker import Worker
from conversations.triggers.beside import triggers_running
from orkesta.database import close_pool
from orkesta.event_loop import run
from routing.gateway import get_gateway
from routing.tools.connections import close_connections


class Command(BaseCommand):
    help = (
        "Run tasks. SIGTERM or Ctrl-C: finish the steps that run, hand the rest back, exit; twice:"
        " exit at once, and the leases run out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=int,
            default=settings.ORKESTA_WORKER_CONCURRENCY,
            help="Tasks run at once (ORCHESTRATOR_WORKER_CONCURRENCY).",
        )
        parser.add_argument(
            "--drain-seconds",
            type=float,
            default=30.0,
            help="How long running steps may take to end before they are cut off.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IS_SQLITE:
            raise CommandError("With SQLite one process does it all: run `manage.py serve`.")
        if options["concurrency"] < 1:
            raise CommandError("A worker runs at least one task at once.")
        try:
            run(self._work(options["concurrency"], options["drain_seconds"]))
        finally:
            close_pool()

    async def _work(self, concurrency: int, drain_seconds: float) -> None:
        live.bind_loop()
        worker = Worker(concurrency=concurrency)
        leaving: list[asyncio.Task[None]] = []

        def leave(number: int) -> None:
            if leaving:
                os._exit(128 + number)
            self.stdout.write("Finishing what runs; once more ends it at once.")
            self.stdout.flush()
            leaving.append(asyncio.create_task(worker.drain(timeout_seconds=drain_seconds)))

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, leave, number)
        self.stdout.write(f"Worker {worker.name} runs up to {concurrency} tasks at once.")
        self.stdout.flush()
        async with triggers_running():
            await worker.run_forever()
        await asyncio.gather(*leaving)
        await get_gateway().aclose()
        await close_connections()
