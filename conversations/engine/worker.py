"""The worker: claims tasks from the table, runs many at once, and keeps their leases.

A wake-up only hints; the table is the truth and is looked at every
`ORCHESTRATOR_WORKER_SLEEP_SECONDS` all the same, which is also how tasks of dead workers are found.
"""

import asyncio
import logging
import os
import socket
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from conversations.engine import claims
from conversations.engine.claims import Claim, Look
from conversations.engine.dispatch import get_dispatcher
from conversations.engine.hit_counting import add_hits, keep_adding_hits
from conversations.engine.quarantine import Quarantine, QuarantinedRunner
from conversations.engine.runner import Runner, Stop
from conversations.states import Wanted
from orkesta.database import in_thread
from orkesta.failpoints import Failpoint, failpoint
from orkesta.ids import uuid7
from routing.gateway import Gateway, get_gateway

logger = logging.getLogger(__name__)
WISHES = {Wanted.CANCEL: Stop.CANCELLED, Wanted.PAUSE: Stop.PAUSED}


class Worker:
    """Runs tasks in the event loop it is started in. Make one where the loop is running."""

    def __init__(self, *, gateway: Gateway | None = None, concurrency: int | None = None) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid7().hex[-8:]}"
        self.gateway = gateway or get_gateway()
        self._concurrency = concurrency or settings.ORKESTA_WORKER_CONCURRENCY
        self.running: dict[UUID, tuple[Runner | QuarantinedRunner, asyncio.Task[None]]] = {}
        self._quarantine = Quarantine()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._look = asyncio.Event()
        self._draining = False

    async def run_forever(self) -> None:
        """Work until `drain` is called."""
        stop_listening = get_dispatcher().listen(self._woken)
        keeper = asyncio.create_task(self._keep_leases())
        counter = asyncio.create_task(keep_adding_hits())
        try:
            while not self._draining:
                self._wake.clear()
                # Whoever takes less than there is room for has seen the last one.
                free = self._concurrency - len(self.running)
                if await self._claim_some() < max(free, 1):
                    await self._sleep(self._wake, settings.ORKESTA_WORKER_SLEEP_SECONDS)
        finally:
            stop_listening()
            await self._finish_running()
            keeper.cancel()
            counter.cancel()
            await add_hits()

    async def run_once(self) -> bool:
        """Claim what there is and run it to its end; whether there may be more right away."""
        claimed = bool(await self._claim_some())
        keeper = asyncio.create_task(self._keep_leases())
        await self._finish_running()
        keeper.cancel()
        return claimed

    async def drain(self, *, timeout_seconds: float = 5.0) -> None:
        """Claim nothing more, finish the steps that run, hand back what is left; after
        `timeout_seconds` hand back in the middle of steps, too, which will be done anew.
        """
        self._draining = True
        self._wake.set()
        for runner, _ in self.running.values():
            runner.finish_step()
        tasks = [task for _, task in self.running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_seconds)
        for runner, _ in tuple(self.running.values()):
            runner.stop(Stop.HANDED_BACK)
        await self._finish_running()

    def _woken(self, task_id: UUID, is_signal: bool) -> None:
        """Called from any thread."""
        event = self._look if is_signal else self._wake
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(event.set)

    async def _claim_some(self) -> int:
        """How many could be had."""
        free = self._concurrency - len(self.running)
        if free <= 0 or self._draining:
            return 0
        try:
            claimed = await in_thread(claims.claim_tasks, worker=self.name, limit=free)
        except (DatabaseError, InterfaceError) as exc:
            logger.error("tasks cannot be claimed: %s", exc)
            return 0
        for claim in claimed:
            self._start(claim)
        return len(claimed)

    def _start(self, claim: Claim) -> None:
        if claim.task_id in self.running:  # our own lease ran out while the process was frozen
            self.running[claim.task_id][0].stop(Stop.LOST)
        runner = self._runner(claim)
        task = asyncio.create_task(runner.run())
        self.running[claim.task_id] = (runner, task)
        task.add_done_callback(lambda _: self._ended(claim))

    def _runner(self, claim: Claim) -> Runner | QuarantinedRunner:
        if claim.is_suspect:
            return QuarantinedRunner(claim, self._quarantine)
        failpoint(Failpoint.TASK_CLAIMED)
        return Runner(claim, self.gateway)

    def _ended(self, claim: Claim) -> None:
        current = self.running.get(claim.task_id)
        if current is not None and current[0].claim.attempt == claim.attempt:
            del self.running[claim.task_id]
        self._wake.set()

    async def _finish_running(self) -> None:
        while self.running:
            await asyncio.wait([task for _, task in self.running.values()])
            await asyncio.sleep(0)

    async def _keep_leases(self) -> None:
        """Look at the rows of running tasks each second, and at once when signalled; renew their
        leases in time. One statement serves all of them.
        """
        renewed_at = self._loop.time()
        sleep, renew = settings.ORKESTA_WORKER_SLEEP_SECONDS, settings.ORKESTA_LEASE_RENEW_SECONDS
        while True:
            await self._sleep(self._look, min(sleep, renew))
            self._look.clear()
            task_ids = list(self.running)
            if not task_ids:
                continue
            is_due = self._loop.time() - renewed_at >= renew
            ask = claims.renew if is_due else claims.look
            try:
                seen = await in_thread(ask, worker=self.name, task_ids=task_ids)
            except (DatabaseError, InterfaceError) as exc:
                logger.error("leases cannot be renewed: %s", exc)
                continue
            if is_due:
                renewed_at = self._loop.time()
            self._obey(task_ids, seen)

    def _obey(self, task_ids: list[UUID], seen: dict[UUID, Look]) -> None:
        for task_id in task_ids:
            if task_id not in self.running:
                continue
            runner, found = self.running[task_id][0], seen.get(task_id)
            if found is None or found.attempt != runner.claim.attempt:
                runner.stop(Stop.LOST)
            elif found.wanted in WISHES:
                failpoint(Failpoint.CANCEL_HEARD)
                runner.stop(WISHES[found.wanted])

    async def _sleep(self, event: asyncio.Event, seconds: float) -> None:
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return
