"""Adds to the rows, every few seconds, what rules have decided on in this process."""

import asyncio
import logging

from django.db import DatabaseError, InterfaceError

from orkesta.database import in_thread
from routing.hits import FLUSH_SECONDS, flush_hits

logger = logging.getLogger(__name__)


async def keep_adding_hits() -> None:
    """Until it is cancelled."""
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        await add_hits()


async def add_hits() -> None:
    """Add them now. Without a database they wait for the next time."""
    try:
        await in_thread(flush_hits)
    except (DatabaseError, InterfaceError) as exc:
        logger.error("hits of rules cannot be added: %s", exc)
