"""The loops of triggers beside a worker, in its process and event loop."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from conversations.drafts.loop import DraftLoop
from conversations.triggers.dispatcher import WebhookDispatcher
from conversations.triggers.examples import ExampleTicker
from conversations.triggers.ticker import ScheduleTicker
from conversations.triggers.usage import UsageTicker

logger = logging.getLogger(__name__)


@asynccontextmanager
async def triggers_running() -> AsyncIterator[None]:
    """Fire schedules, send webhooks, sum usage, embed examples and try drafts meanwhile."""
    dispatcher, examples = WebhookDispatcher(), ExampleTicker()
    loops = (ScheduleTicker(), dispatcher, UsageTicker(), examples, DraftLoop())
    tasks = [asyncio.create_task(loop.run_forever()) for loop in loops]
    for task in tasks:
        task.add_done_callback(_log_end)
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        await asyncio.wait(tasks)
        await dispatcher.aclose()
        await examples.aclose()


def _log_end(task: asyncio.Task[None]) -> None:
    """One that ended by an error must not go unnoticed; the worker beside it goes on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("A loop of triggers ended; restart the process.", exc_info=error)
