"""Runs one claimed task: decide, perform, record, until it ends or its worker has to let go."""

import asyncio
import logging
from enum import StrEnum
from time import perf_counter
from typing import Any

from django.db import DatabaseError, InterfaceError

from conversations.engine import store
from conversations.engine.actions import CallModel, Finish, GiveUp, Route
from conversations.engine.answer_stream import AnswerStream, announce_step
from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.engine.insistence import AlreadyRecorded, insist
from conversations.engine.loading import load
from conversations.engine.orchestrator import next_action
from conversations.engine.performing import Performer, interrupted
from conversations.engine.state import StepRecord, TaskState
from conversations.errors import LeaseLost
from conversations.states import StepKind, TaskStatus
from orkesta.failpoints import Failpoint, failpoint
from routing.gateway import Gateway
from tenants.scope import in_tenant

logger = logging.getLogger(__name__)


class Stop(StrEnum):
    """Why a worker lets go of a running task."""

    CANCELLED = "cancelled"
    PAUSED = "paused"
    HANDED_BACK = "handed_back"
    LOST = "lost"


OUTCOMES = {
    Stop.CANCELLED: Outcome(TaskStatus.CANCELLED, "cancelled"),
    Stop.PAUSED: Outcome(TaskStatus.PAUSED, "paused"),
    Stop.HANDED_BACK: Outcome(TaskStatus.QUEUED, "handed_back"),
}


class Runner:
    """One attempt at one task. `stop()` may be called from the loop at any time."""

    def __init__(self, claim: Claim, gateway: Gateway) -> None:
        self.claim = claim
        self._gateway = gateway
        self._stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self._is_leaving = False
        self._call: tuple[int, str, AnswerStream, float] | None = None

    def finish_step(self) -> None:
        """Hand the task back once the step it is at has been recorded."""
        self._is_leaving = True

    def stop(self, why: Stop) -> None:
        """Let go: the upstream call is closed, then the task is settled accordingly."""
        if not self._stopped.done():
            self._stopped.set_result(why)

    async def run(self) -> None:
        """Bring the task as far as it goes. Never raises but for its own cancellation.

        This is the engine's boundary: what nobody foresaw becomes a failed task and a traceback in
        the log. Trouble with the database is no verdict on the task: if it lasts, the lease runs
        out, and the task is tried again.
        """
        work = asyncio.ensure_future(self._work())
        both: set[asyncio.Future[Any]] = {work, self._stopped}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        try:
            if work.done():
                work.result()
            else:
                await self._let_go(work)
        except LeaseLost:
            return  # somebody else has it, and the store has said so
        except (DatabaseError, InterfaceError):
            logger.exception("task %s: the database failed", self.claim.task_id)
        except Exception:
            logger.exception("task %s failed", self.claim.task_id)
            await self._fail("internal_error", "Something went wrong; it has been recorded.")

    async def _work(self) -> None:
        while True:
            try:
                await self._go_on()
            except AlreadyRecorded:
                continue
            return

    async def _go_on(self) -> None:
        """From the last recorded step to the end."""
        task = await insist(self.claim.tenant_id, load, self.claim)
        performer = Performer(task, self._gateway)
        state, is_first, last_seq = task.state, True, 0
        action = next_action(state)
        while not isinstance(action, Finish | GiveUp):
            step = await self._perform(performer, action, state, last_seq)
            state = state.after(step)
            action = next_action(state)
            then = action if isinstance(action, Finish | GiveUp) else None
            recorded = await insist(
                self.claim.tenant_id, store.record, self.claim, step, then=then, is_first=is_first
            )
            failpoint(Failpoint.STEP_COMMITTED)
            is_first, last_seq = False, recorded.last_seq
            if recorded.outcome is not None:
                await self._forget_partial()
                return
            if self._is_leaving:
                await self._settle(OUTCOMES[Stop.HANDED_BACK])
                return
        await insist(self.claim.tenant_id, store.finish, self.claim, action)

    async def _perform(
        self, performer: Performer, action: Route | CallModel, state: TaskState, last_seq: int
    ) -> StepRecord:
        if isinstance(action, Route):
            return await performer.route(state)
        number = state.num_steps + 1
        stream = AnswerStream(self.claim, step_number=number, last_seq=last_seq)
        await announce_step(
            self.claim,
            number=number,
            kind=StepKind.MODEL,
            agent=action.agent_slug,
            last_seq=last_seq,
        )
        if self.claim.attempt > 1 or state.tried:
            await stream.restart()
        self._call = (number, action.agent_slug, stream, perf_counter())
        try:
            step = await performer.call_model(action, state, stream)
        finally:
            await stream.close()
        failpoint(Failpoint.MODEL_ANSWERED)
        return step

    async def _let_go(self, work: asyncio.Future[None]) -> None:
        work.cancel()
        await asyncio.wait({work})
        why = self._stopped.result()
        if why is Stop.LOST:
            return
        step = None
        if self._call is not None and why is Stop.CANCELLED:
            number, agent_slug, stream, started = self._call
            step = interrupted(number, agent_slug, stream.text, started)
        await self._settle(OUTCOMES[why], step)
        await self._forget_partial()

    async def _settle(self, outcome: Outcome, step: StepRecord | None = None) -> None:
        await in_tenant(self.claim.tenant_id, store.settle, self.claim, outcome, step=step)

    async def _forget_partial(self) -> None:
        if self._call is not None:
            await self._call[2].discard()

    async def _fail(self, code: str, detail: str) -> None:
        try:
            await self._settle(Outcome(TaskStatus.FAILED, code, detail))
        except (LeaseLost, DatabaseError, InterfaceError):
            logger.exception("task %s: its failure could not be recorded", self.claim.task_id)
