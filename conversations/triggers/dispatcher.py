"""Sends deliveries: claims them, calls the endpoints, settles how it went."""

import asyncio
import logging
from collections import Counter
from time import perf_counter
from typing import Final
from uuid import UUID

from django.db import DatabaseError, InterfaceError

from conversations.triggers import deliveries
from conversations.triggers.deliveries import EXCERPT_BYTES, PER_ENDPOINT, Answer, Claim, Parcel
from conversations.triggers.doorbell import deliveries_waiting
from conversations.triggers.loop import TableLoop
from conversations.triggers.validators import outbound_policy
from orkesta.crypto import SecretUnreadable
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from orkesta.failpoints import Failpoint, failpoint
from orkesta.outbound import fetch, open_client
from tenants.scope import in_tenant

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 15.0
#: Requests at once, all endpoints together.
CONCURRENCY: Final = 50


class WebhookDispatcher(TableLoop):
    """Sends what is due, many at once. Any number may run, in any process."""

    def __init__(self, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        super().__init__(doorbell=deliveries_waiting)
        self._client = open_client(outbound_policy(), timeout_seconds=timeout_seconds)
        self._sending: dict[asyncio.Task[None], UUID] = {}

    async def run_once(self) -> bool:
        """Claim what is due, as far as there are hands free, and wait for the first to be done."""
        free = CONCURRENCY - len(self._sending)
        claims: list[Claim] = []
        if free > 0:
            claims = await in_thread(deliveries.claim_deliveries, limit=free, busy=self._busy())
        for claim in claims:
            failpoint(Failpoint.DELIVERY_CLAIMED)
            task = asyncio.create_task(self._send_or_log(claim))
            self._sending[task] = claim.endpoint_id
        if self._sending:
            await self._collect()
        return bool(claims) or bool(self._sending)

    async def run_until_idle(self) -> None:
        """Send until nothing is due and nothing under way."""
        while await self.run_once():
            pass

    async def aclose(self, *, grace_seconds: float = 2.0) -> None:
        """Give what is under way that long to end, and close the connections. What is cut off is
        sent again, under the same id, when its lease has run out.
        """
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=grace_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._client.aclose()

    def _busy(self) -> list[UUID]:
        """Endpoints that have their share of the hands."""
        counted = Counter(self._sending.values())
        return [endpoint_id for endpoint_id, count in counted.items() if count >= PER_ENDPOINT]

    async def _collect(self) -> None:
        """Wait for a request to end. Waiting for all would let one slow endpoint hold up the
        others; not waiting would ask the database in a busy loop.
        """
        ring = asyncio.create_task(self._wake.wait())
        done, _ = await asyncio.wait(
            {*self._sending, ring}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED
        )
        ring.cancel()
        self._wake.clear()
        for task in [task for task in self._sending if task in done]:
            del self._sending[task]
            task.result()

    async def _send_or_log(self, claim: Claim) -> None:
        try:
            await self._send(claim)
        except (DatabaseError, InterfaceError) as exc:
            # Its lease runs out, and it is sent again under the same id.
            logger.error("delivery %s: the database failed: %s", claim.delivery_id, exc)

    async def _send(self, claim: Claim) -> None:
        try:
            parcel = await in_tenant(claim.tenant_id, deliveries.load_parcel, claim)
        except SecretUnreadable as exc:
            answer = Answer(duration_ms=0.0, error_code=exc.code)
        else:
            if parcel is None:
                return
            answer = await self._call(parcel)
            failpoint(Failpoint.DELIVERY_SENT)
        await in_tenant(claim.tenant_id, deliveries.settle, claim, answer)

    async def _call(self, parcel: Parcel) -> Answer:
        """Redirects are not followed: an address that moved is for its owner to change."""
        started = perf_counter()
        try:
            response = await fetch(
                self._client,
                "POST",
                parcel.url,
                headers=parcel.headers,
                content=parcel.body,
                keep_bytes=EXCERPT_BYTES,
            )
        except OrkestaError as exc:
            return Answer(duration_ms=(perf_counter() - started) * 1000, error_code=exc.code)
        return Answer(
            duration_ms=(perf_counter() - started) * 1000,
            status=response.status,
            excerpt=response.body,
            retry_after_seconds=response.retry_after_seconds,
        )
