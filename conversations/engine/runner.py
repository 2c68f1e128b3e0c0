"""Runs one claimed task: decide, perform, record, until it ends or its worker has to let go."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from time import perf_counter
from typing import Any, Final

from django.db import DatabaseError, InterfaceError

from conversations.engine import store
from conversations.engine.actions import (
    Action,
    AskHuman,
    CallModel,
    CheckTool,
    Finish,
    Fork,
    GiveUp,
    HandOff,
    Route,
    RunTools,
    Summarise,
    Work,
)
from conversations.engine.answer_stream import AnswerStream, announce_step
from conversations.engine.asking import asking_step, request_of
from conversations.engine.branching import join_step
from conversations.engine.calls import PendingCall
from conversations.engine.charging import PAUSED_BY_BUDGET, met_the_end_of_the_budget
from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.engine.folding import after
from conversations.engine.insistence import AlreadyRecorded, insist
from conversations.engine.last_word import last_word
from conversations.engine.loading import TaskInput, load
from conversations.engine.orchestrator import next_action
from conversations.engine.performing import Performer, interrupted
from conversations.engine.remote import call_remote, webhook_of
from conversations.engine.state import StepRecord, TaskState
from conversations.engine.summarising import summarise
from conversations.engine.tool_running import ToolHand, cut_off
from conversations.errors import LeaseLost
from conversations.states import InputKind, StepKind, TaskStatus
from orkesta.failpoints import Failpoint, failpoint
from routing.gateway import Gateway
from tenants.scope import in_tenant
from tenants.usage.spending import Spending, open_spending

logger = logging.getLogger(__name__)


#: What a model step's output holds when its text is not the task's answer.
NO_ANSWERS: Final = frozenset({"tool_calls", "is_interim"})


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
        self._state, self._is_first, self._last_seq = TaskState(), True, 0
        self._stream: AnswerStream | None = None
        self._half_done: Callable[[], StepRecord] | None = None
        self._is_acting = False
        self._spending = Spending()

    def finish_step(self) -> None:
        """Hand the task back once the step it is at has been recorded."""
        self._is_leaving = True

    def stop(self, why: Stop) -> None:
        """Let go: the upstream call is closed, then the task is settled accordingly. A pause waits
        for the end of a call that changes something; the store hears of it by itself.
        """
        if why is Stop.PAUSED and self._is_acting:
            return
        if not self._stopped.done():
            self._stopped.set_result(why)

    async def run(self) -> None:
        """Bring the task as far as it goes. Never raises but for its own cancellation.

        This is the engine's boundary: what nobody foresaw becomes a failed task and a traceback in
        the log. Trouble with the database is no verdict on the task: if it lasts, the lease runs
        out, and the task is tried again.
        """
        self._spending = open_spending()
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
        """From the last recorded step to the end, or to where the task has to wait."""
        task = await insist(self.claim.tenant_id, load, self.claim)
        self._state, self._is_first, self._last_seq = task.state, True, 0
        self._spending.begin(task.key_id)
        action = self._decide(task)
        while not isinstance(action, Finish | GiveUp):
            if isinstance(action, AskHuman | Fork):
                await self._wait(task, action)
                return
            done = await self._perform(task, action)
            if done is None:  # somebody has stopped it
                return
            if met_the_end_of_the_budget(self._spending):
                await self._settle(PAUSED_BY_BUDGET)
                return
            if isinstance(done, AskHuman):
                action = done
                continue
            action = await self._take_in(done, task)
            then = action if isinstance(action, Finish | GiveUp) else None
            if await self._record(done, then):
                return
            if self._is_leaving:
                await self._settle(OUTCOMES[Stop.HANDED_BACK])
                return
        await insist(self.claim.tenant_id, store.finish, self.claim, action)

    def _decide(self, task: TaskInput) -> Action:
        action = next_action(self._state)
        # Who puts together what branches found has to know which of them failed.
        return action if self._state.is_branch else last_word(action, self._state, task.snapshot)

    async def _take_in(self, done: list[StepRecord], task: TaskInput) -> Action:
        for step in done:
            self._state = after(self._state, step)
        action = self._decide(task)
        if isinstance(action, Finish) and action.failure and self._stream is not None:
            await self._stream.withdraw()  # half an answer is not what will be said
        return action

    async def _record(self, done: list[StepRecord], then: Finish | GiveUp | None) -> bool:
        """Whether that was the end."""
        recorded = await insist(
            self.claim.tenant_id,
            store.record,
            self.claim,
            *done,
            then=then,
            is_first=self._is_first,
            num_steps=self._state.num_steps,
        )
        failpoint(Failpoint.STEP_COMMITTED)
        self._is_first, self._last_seq = False, recorded.last_seq
        if recorded.outcome is None:
            return False
        await self._forget_partial()
        return True

    async def _perform(self, task: TaskInput, action: Work) -> list[StepRecord] | AskHuman | None:
        """Finished steps, not recorded yet; or a person to be asked first; or None when the task
        has been settled meanwhile.
        """
        performer, state = Performer(task, self._gateway), self._state
        match action:
            case Route():
                return [await performer.route(state)]
            case CallModel():
                return [await self._call_agent(performer, action)]
            case HandOff():
                return [await performer.hand_off(action, state)]
            case Summarise():
                return [await summarise(task, state, self._gateway)]
            case RunTools(calls) if all(call.is_free for call in calls):
                for place, _ in enumerate(calls, 1):
                    await self._announce(StepKind.TOOL, state.num_steps + place)
                return await ToolHand(task, self.claim).run_all(calls, state)
            case RunTools((call,)) | CheckTool(call):
                return await self._change_something(task, call, is_check=action == CheckTool(call))
        raise AssertionError(action)

    async def _call_agent(self, performer: Performer, action: CallModel) -> StepRecord:
        """Let the agent answer: its LLM, or the program behind its webhook."""
        state, slug, task = self._state, action.agent_slug, performer.task
        remote = webhook_of(task, slug)
        kind = StepKind.AGENT if remote else StepKind.MODEL
        number = state.num_steps + 1
        stream = AnswerStream(self.claim, step_number=number, last_seq=self._last_seq)
        await self._announce(kind, number, slug)
        if self.claim.attempt > 1 or state.tried:
            await stream.restart()
        self._stream, started = stream, perf_counter()
        with self._recording(lambda: interrupted(kind, number, slug, stream.text, started)):
            try:
                if remote:
                    step = await call_remote(
                        action, state, stream, target=remote, task=task, claim=self.claim
                    )
                else:
                    step = await performer.call_model(action, state, stream)
            finally:
                await stream.close()
        if step.output.keys() & NO_ANSWERS:
            await stream.withdraw()
        failpoint(Failpoint.MODEL_ANSWERED)
        return step

    async def _change_something(
        self, task: TaskInput, call: PendingCall, *, is_check: bool
    ) -> list[StepRecord] | AskHuman | None:
        """Make a call that changes something. That it is about to be made, and with which key, is
        recorded before: whoever finds it so after a crash knows what to be careful of.
        """
        hand = ToolHand(task, self.claim)
        number = call.number or self._state.num_steps + 1
        step = hand.step(call, self._state, number=number)
        self._state = after(self._state, step)
        if not await self._begin(step):
            return None
        failpoint(Failpoint.CALL_BEGUN)
        await self._announce(StepKind.TOOL, number)
        call = replace(call, number=number, key=step.input["idempotency_key"])
        started, self._is_acting = perf_counter(), True
        try:
            with self._recording(lambda: cut_off(replace(step, is_begun=True), started)):
                made = hand.check if is_check else hand.run
                done = await made(call, self._state, number=number)
        finally:
            self._is_acting = False
        return [done] if done else AskHuman(InputKind.OUTCOME, call)

    async def _begin(self, step: StepRecord) -> bool:
        """Record that the call is about to be made; False when it must not be."""
        num_steps = self._state.num_steps
        try:
            begun = await insist(
                self.claim.tenant_id,
                store.begin,
                self.claim,
                step,
                is_first=self._is_first,
                num_steps=num_steps,
            )
        except AlreadyRecorded:  # by our own first try: nobody has made the call yet
            self._is_first = False
            return True
        self._is_first, self._last_seq = False, begun.last_seq
        return begun.outcome is None

    async def _wait(self, task: TaskInput, action: AskHuman | Fork) -> None:
        """Let go of the task until a person moves it, or the last of its branches."""
        claim, first = self.claim, self._is_first
        if isinstance(action, Fork):
            step = join_step(action, self._state, claim)
            await insist(claim.tenant_id, store.fork, claim, step, is_first=first)
        else:
            step = asking_step(action, self._state)
            request = request_of(claim, action, step, task)
            await insist(claim.tenant_id, store.ask, claim, step, request, is_first=first)
        await self._forget_partial()

    async def _announce(self, kind: StepKind, number: int, agent: str = "") -> None:
        slug = agent or self._state.agent_slug or ""
        await announce_step(
            self.claim, number=number, kind=kind, agent=slug, last_seq=self._last_seq
        )

    @contextmanager
    def _recording(self, step: Callable[[], StepRecord]) -> Iterator[None]:
        """Meanwhile, somebody who cancels the task leaves this step behind: it stays at hand when
        the work is cancelled within.
        """
        self._half_done = step
        yield
        self._half_done = None

    async def _let_go(self, work: asyncio.Future[None]) -> None:
        work.cancel()
        await asyncio.wait({work})
        why = self._stopped.result()
        if why is Stop.LOST:
            return
        step = None
        if self._half_done is not None and why is Stop.CANCELLED:
            step = self._half_done()
        await self._settle(OUTCOMES[why], step)
        await self._forget_partial()

    async def _settle(self, outcome: Outcome, step: StepRecord | None = None) -> None:
        await in_tenant(self.claim.tenant_id, store.settle, self.claim, outcome, step=step)

    async def _forget_partial(self) -> None:
        if self._stream is not None:
            await self._stream.discard()

    async def _fail(self, code: str, detail: str) -> None:
        try:
            await self._settle(Outcome(TaskStatus.FAILED, code, detail))
        except (LeaseLost, DatabaseError, InterfaceError):
            logger.exception("task %s: its failure could not be recorded", self.claim.task_id)
