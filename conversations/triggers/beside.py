"""The loops of triggers beside a worker, in its process and event loop."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from conversations.triggers.dispatcher import WebhookDispatcher
from conversations.triggers.ticker import ScheduleTicker

logger = logging.getLogger(__name__)


@asynccontextmanager
async def triggers_running() -> AsyncIterator[None]:
    """Fire schedules and send webhooks while the block runs."""
    ticker, dispatcher = ScheduleTicker(), WebhookDispatcher()
    tasks = [asyncio.create_task(loop.run_forever()) for loop in (ticker, dispatcher)]
    for task in tasks:
        task.add_done_callback(_log_end)
    try:
        yield
    finally:
        ticker.stop()
        dispatcher.stop()
        await asyncio.wait(tasks)
        await dispatcher.aclose()


def _log_end(task: asyncio.Task[None]) -> None:
    """One that ended by an error must not go unnoticed; the worker beside it goes on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("A loop of triggers ended; restart the process.", exc_info=error)
