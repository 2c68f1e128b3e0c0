"""Doing the runs of drafts, part by part, beside a worker.

A process does one part at a time and lets live traffic go first. Whatever a part comes to is
written, with what it cost, in one transaction that is fenced by the claim; a process that dies
loses the part it was at, which another does anew when the lease has run out.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from conversations.drafts.parts import Part, RunOver, load_part
from conversations.drafts.past import drafts_waiting
from conversations.health import oldest_waiting
from conversations.triggers.loop import TableLoop
from orkesta.database import in_thread
from orkesta.errors import OrkestaError
from prompts.case_models import PromptTestRun
from prompts.replay_models import PromptReplay
from prompts.run_models import RunStatus
from prompts.runs import RunClaim, RunLost, claim_run, end_run, release_run, renew_run
from routing.gateway import Gateway, get_gateway
from tenants.scope import in_tenant, scopes_disabled
from tenants.usage.spending import Cause, Spending, open_spending, write_charges
from tenants.usage_models import CallKind

logger = logging.getLogger(__name__)

#: A task that has waited so long for a worker is let go first, for so many looks in a row.
WAITING_SECONDS: Final = 1.0
MAX_GIVEN_WAY: Final = 30
_KINDS: Final[Mapping[type, CallKind]] = {
    PromptReplay: CallKind.REPLAY,
    PromptTestRun: CallKind.LLM,
}


class DraftLoop(TableLoop):
    """Any number may run, in any process."""

    def __init__(self, *, gateway: Gateway | None = None) -> None:
        super().__init__(doorbell=drafts_waiting)
        self._gateway = gateway or get_gateway()
        self._working: asyncio.Task[None] | None = None
        self._num_given_way = 0

    async def run_once(self) -> bool:
        """Do the next part of a run, if there is one."""
        if self._is_stopping or await self._gives_way():
            return False
        claim = await in_thread(claim_run)
        if claim is None:
            return False
        self._working = asyncio.create_task(self._do(claim))
        await asyncio.wait({self._working, asyncio.create_task(self._keep(claim, self._working))})
        await self._let_go(claim, self._working)
        return True

    async def run_until_idle(self) -> None:
        """Go on until no run has anything left to do."""
        while await self.run_once():
            pass

    def stop(self) -> None:
        """Begin no other part, and leave the present one to somebody else."""
        super().stop()
        if self._working is not None:
            self._working.cancel()

    async def _gives_way(self) -> bool:
        """Whether tasks wait for workers. Not for ever: a queue that is never empty would keep a
        run from ever being done.
        """
        if not await in_thread(_is_crowded) or self._num_given_way >= MAX_GIVEN_WAY:
            self._num_given_way = 0
            return False
        self._num_given_way += 1
        return True

    async def _do(self, claim: RunClaim) -> None:
        spending = open_spending(_KINDS[claim.kind])
        try:
            part = await in_tenant(claim.tenant_id, load_part, claim)
            outcome = await part.do(self._gateway)
            if spending.refusal is not None:
                raise RunOver(RunStatus.PAUSED, "budget")
            await in_tenant(claim.tenant_id, _write, part, outcome, spending)
        except RunOver as over:
            await in_tenant(claim.tenant_id, end_run, claim, over.status, over.reason)
        except OrkestaError as exc:
            await in_tenant(claim.tenant_id, end_run, claim, RunStatus.FAILED, exc.code)
        except RunLost:
            logger.info("run %s: a write of attempt %s was fenced", claim.run_id, claim.attempt)
        finally:
            await self._charge(claim, spending)

    async def _charge(self, claim: RunClaim, spending: Spending) -> None:
        """What was asked for nothing was paid for all the same."""
        if spending.charges:
            charges = list(spending.charges)
            spending.forget(charges)
            await in_tenant(claim.tenant_id, write_charges, claim.tenant_id, charges, Cause())

    async def _keep(self, claim: RunClaim, working: asyncio.Task[None]) -> None:
        """Hold the lease while the part is done; stop it when the run was cancelled."""
        while not working.done():
            await asyncio.wait({working}, timeout=settings.ORKESTA_WORKER_SLEEP_SECONDS)
            if working.done():
                return
            try:
                await in_tenant(claim.tenant_id, renew_run, claim)
            except RunLost:
                working.cancel()
            except (DatabaseError, InterfaceError) as exc:
                logger.error("run %s: its lease cannot be renewed: %s", claim.run_id, exc)

    async def _let_go(self, claim: RunClaim, working: asyncio.Task[None]) -> None:
        self._working = None
        if working.cancelled():
            await in_tenant(claim.tenant_id, release_run, claim)
            return
        error = working.exception()
        if isinstance(error, DatabaseError | InterfaceError):
            raise error  # no verdict on the run: its lease runs out, and it is tried again
        if error is not None:
            logger.error("run %s failed", claim.run_id, exc_info=error)
            await in_tenant(claim.tenant_id, end_run, claim, RunStatus.FAILED, OrkestaError.code)


def _write(part: Part, outcome: Any, spending: Spending) -> None:
    charges = list(spending.charges)
    part.write(outcome, charges)
    spending.forget(charges)


def _is_crowded() -> bool:
    now = timezone.now()
    with scopes_disabled():
        since = oldest_waiting(now)
    # Tasks may begin a second before they were posted, so that no clock holds them up.
    return since is not None and (now - since).total_seconds() > 1.0 + WAITING_SECONDS
