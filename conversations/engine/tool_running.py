"""Making the calls that a model asked for. Whatever goes wrong becomes a failed step."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from conversations.engine.calls import PendingCall
from conversations.engine.claims import Claim
from conversations.engine.loading import TaskInput
from conversations.engine.performing import in_time, since
from conversations.engine.state import StepRecord, TaskState
from conversations.states import StepKind, StepStatus
from orkesta.errors import OrkestaError
from orkesta.failpoints import Failpoint, failpoint
from routing.errors import ToolError, ToolFailed, ToolRetry
from routing.tools import ToolContext, ToolResult, ToolSnapshot, check_tool, run_tool
from routing.tools.running import check_arguments


@dataclass(frozen=True, slots=True)
class ToolHand:
    """Makes the calls of one attempt at a task."""

    task: TaskInput
    claim: Claim

    async def run_all(self, calls: Sequence[PendingCall], state: TaskState) -> list[StepRecord]:
        """Make calls that change nothing, all at the same time; their steps in the calls' order."""
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(self.run(call, state, number=state.num_steps + place))
                for place, call in enumerate(calls, 1)
            ]
        return [one.result() for one in running]

    async def run(self, call: PendingCall, state: TaskState, *, number: int) -> StepRecord:
        """Make one call, as step `number`, which is there already when the call had begun."""
        step, started = self.step(call, state, number=number), perf_counter()
        try:
            if call.problem:
                raise ToolRetry(call.problem)
            tool = self._tool(call, state)
            arguments = check_arguments(tool, call.arguments)
            async with in_time(state):
                result = await run_tool(tool, arguments, self._context(step))
        except OrkestaError as exc:
            return _failed(step, exc, started)
        failpoint(Failpoint.TOOL_ANSWERED)
        return _succeeded(step, result, started)

    async def check(self, call: PendingCall, state: TaskState, *, number: int) -> StepRecord | None:
        """Ask what became of a call that was cut off, and make it if it never arrived. None when
        nobody can tell.
        """
        step, started = self.step(call, state, number=number), perf_counter()
        try:
            tool = self._tool(call, state)
            async with in_time(state):
                result = await check_tool(tool, self._context(step))
        except ToolError:
            return None
        except OrkestaError as exc:
            return _failed(step, exc, started)
        if result is None:
            return await self.run(call, state, number=number)
        return replace(
            _succeeded(step, result, started), reason="It had arrived before the interruption."
        )

    def step(self, call: PendingCall, state: TaskState, *, number: int) -> StepRecord:
        """The call as a step that begins, with the key that every try of it carries."""
        key = call.key or f"{self.claim.task_id}:{number}:{call.id}"
        return StepRecord(
            number=number,
            kind=StepKind.TOOL,
            status=StepStatus.STARTED,
            agent_slug=state.agent_slug or "",
            reason=call.name,
            input={
                "name": call.name,
                "arguments": dict(call.arguments),
                "call_id": call.id,
                "idempotency_key": key,
            },
            attempt=self.claim.attempt,
            is_begun=bool(call.number),
        )

    def _tool(self, call: PendingCall, state: TaskState) -> ToolSnapshot:
        agent = self.task.snapshot.agents.get(state.agent_slug or "")
        found = [tool for tool in (agent.tools if agent else ()) if tool.name == call.name]
        if not found:
            raise ToolFailed(f"The agent has no tool «{call.name}» any more.")
        if call.is_approved and found[0].schema_hash != call.schema_hash:
            raise ToolFailed("The tool has been changed since the call was approved.")
        return found[0]

    def _context(self, step: StepRecord) -> ToolContext:
        return ToolContext(
            tenant_id=self.claim.tenant_id,
            session_id=self.claim.session_id,
            task_id=self.claim.task_id,
            agent_slug=step.agent_slug,
            user_ref=self.task.user_ref,
            idempotency_key=step.input["idempotency_key"],
        )


def cut_off(step: StepRecord, started: float) -> StepRecord:
    """The record of a call that was stopped half-way by a person."""
    return _failed(step, ToolFailed("Somebody stopped it.", is_outcome_unknown=True), started)


def _succeeded(step: StepRecord, result: ToolResult, started: float) -> StepRecord:
    output: dict[str, Any] = {"text": result.text, "data": result.data}
    if result.is_truncated:
        output["is_truncated"] = True
    return replace(step, status=StepStatus.SUCCEEDED, output=output, duration_ms=since(started))


def _failed(step: StepRecord, error: OrkestaError, started: float) -> StepRecord:
    output: dict[str, Any] = {"code": error.code, "detail": error.message[:1000]}
    if error.details.get("is_outcome_unknown"):
        output["detail"] += " It is not known whether it took effect; do not repeat it."
        output["is_outcome_unknown"] = True
    return replace(
        step,
        status=StepStatus.FAILED,
        reason=f"{step.reason}: {output['detail']}",
        output=output,
        duration_ms=since(started),
    )
