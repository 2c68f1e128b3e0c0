"""`manage.py run_scheduler`: fires schedules, in a process of its own."""

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.triggers.ticker import ScheduleTicker
from orkesta.database import close_pool
from orkesta.event_loop import run


class Command(BaseCommand):
    help = (
        "Fire schedules. Workers do it too: this is for installations that want a process for it."
        " However many run, each due time is fired once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Fire what is due now, and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IS_SQLITE and not options["once"]:
            raise CommandError("With SQLite one process does it all: run `manage.py serve`.")
        try:
            run(self._fire(is_once=options["once"]))
        finally:
            close_pool()

    async def _fire(self, *, is_once: bool) -> None:
        ticker = ScheduleTicker()
        if is_once:
            while await ticker.run_once():
                pass
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ticker.stop)
        self.stdout.write("Firing schedules.")
        self.stdout.flush()
        await ticker.run_forever()
