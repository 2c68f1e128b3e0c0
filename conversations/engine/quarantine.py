"""Where a worker runs suspects: tasks during which processes died twice without any progress.

The first time several run together in one child process. When that dies, each of them runs in a
child of its own, and the task whose child dies then is settled `failed`, reason `poison`.
"""

import asyncio
import logging
from typing import Any, Final

from django.db import DatabaseError, InterfaceError

from conversations.engine import claims, store
from conversations.engine.chamber import Chamber, Fate
from conversations.engine.claims import Claim, Suspicion
from conversations.engine.facts import Outcome
from conversations.engine.insistence import insist
from conversations.engine.runner import OUTCOMES, Stop
from conversations.errors import LeaseLost, TaskPoisoned
from conversations.states import TaskStatus
from tenants.scope import in_tenant

logger = logging.getLogger(__name__)

#: A child that does not stop a task within this long is given up with what runs in it.
STOP_SECONDS: Final = 10.0
DETAIL: Final = "Every process that took it up ended, the last one with nothing else running in it."


class Quarantine:
    """The chambers of one worker."""

    def __init__(self) -> None:
        self._shared, self._cell = Chamber(), Chamber()
        self._alone = asyncio.Lock()

    async def run(self, claim: Claim, entered: "QuarantinedRunner") -> Fate:
        """Run the task in the chamber that its suspicion asks for."""
        if claim.num_crashes < Suspicion.STRONG:
            entered.chamber = self._shared
            return await self._shared.run(claim)
        # Entered while it waits, so that one child after another is not started for those in line.
        async with self._cell.kept_open(), self._alone:
            entered.chamber = self._cell
            return await self._cell.run(claim)


class QuarantinedRunner:
    """Stands in a worker for the `Runner` that is at work in another process."""

    def __init__(self, claim: Claim, quarantine: Quarantine) -> None:
        self.claim = claim
        self.chamber: Chamber | None = None
        self._quarantine = quarantine
        self._stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()

    def finish_step(self) -> None:
        if self.chamber is not None:
            self.chamber.tell("finish_step", self.claim)

    def stop(self, why: Stop) -> None:
        """As `Runner.stop`; one that has not begun yet does not begin."""
        if not self._stopped.done():
            self._stopped.set_result(why)
        self._pass_on()

    async def run(self) -> None:
        """As `Runner.run`. Never raises but for its own cancellation."""
        work = asyncio.ensure_future(self._quarantine.run(self.claim, self))
        try:
            both: set[asyncio.Future[Any]] = {work, self._stopped}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not self._is_inside:
                await self._leave()
                return
            self._pass_on()
            async with asyncio.timeout(STOP_SECONDS if self._stopped.done() else None):
                fate = await work
            await self._judge(fate)
        except TimeoutError:
            logger.error("task %s: its quarantine does not react", self.claim.task_id)
        except LeaseLost:
            return  # somebody else has it, and the store has said so
        except (DatabaseError, InterfaceError):
            logger.exception("task %s: the database failed", self.claim.task_id)
        finally:
            work.cancel()

    def _pass_on(self) -> None:
        if self.chamber is not None and self._stopped.done():
            self.chamber.tell("stop", self.claim, why=self._stopped.result())

    @property
    def _is_inside(self) -> bool:
        return self.chamber is not None and self.chamber.holds(self.claim)

    async def _leave(self) -> None:
        why = self._stopped.result()
        if why is not Stop.LOST:
            await in_tenant(self.claim.tenant_id, store.settle, self.claim, OUTCOMES[why])

    async def _judge(self, fate: Fate) -> None:
        if fate is Fate.AMONG_OTHERS:
            await insist(self.claim.tenant_id, claims.accuse, self.claim)
        elif fate is Fate.ALONE and await insist(
            self.claim.tenant_id, claims.accuse, self.claim, is_proven=True
        ):
            outcome = Outcome(TaskStatus.FAILED, TaskPoisoned.code, DETAIL)
            await insist(self.claim.tenant_id, store.settle, self.claim, outcome)
