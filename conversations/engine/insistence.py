"""Getting a transaction through a restart of the database.

A finished step has cost money and time, so it is not thrown away because PostgreSQL is being
restarted. When a connection breaks during COMMIT nobody knows whether it happened. Here that does
no harm: the claim fences the second try, and the number of the step is unique.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from django.db import IntegrityError, InterfaceError, OperationalError

from tenants.scope import in_tenant

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: Beyond, the task is left to its lease, and whoever claims it.
OUTAGE_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 0.5


class AlreadyRecorded(Exception):
    """An earlier try, of which no answer came, had been committed after all."""


async def insist(tenant_id: UUID, unit: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `unit`, one transaction, in the tenant's scope; again while the database is away.

    Raises what `unit` raises, and AlreadyRecorded: then read anew how far the task has come.
    """
    until = monotonic() + OUTAGE_SECONDS
    is_retry = False
    while True:
        try:
            return await in_tenant(tenant_id, unit, *args, **kwargs)
        except IntegrityError as exc:
            if is_retry:
                raise AlreadyRecorded from exc
            raise
        except (OperationalError, InterfaceError) as exc:
            if monotonic() >= until:
                raise
            logger.warning("the database is away, trying again: %s", exc)
        is_retry = True
        await asyncio.sleep(RETRY_SECONDS)
