"""Branches as rows: each is a task of its own, so that any worker may run it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from conversations.engine.actions import Fork
from conversations.engine.claims import Claim
from conversations.engine.dispatch import at_once
from conversations.engine.orchestrator import why
from conversations.engine.state import StepRecord, TaskState
from conversations.event_log import Fact
from conversations.models import Task
from conversations.states import StepKind, StepStatus, TaskStatus
from orkesta.ids import uuid7_beside


def join_step(action: Fork, state: TaskState, claim: Claim) -> StepRecord:
    """The step that begins with the branches; the end of the last one completes it."""
    branches = [
        {
            # A plan that is under way goes before those that were queued after it.
            "task_id": str(uuid7_beside(claim.task_id)),
            "agent": part.agent_slug,
            "instruction": part.instruction,
        }
        for part in action.branches
    ]
    return StepRecord(
        number=state.num_steps + 1,
        kind=StepKind.JOIN,
        status=StepStatus.STARTED,
        reason=why(state),
        input={"branches": branches, "note": state.note},
    )


def branches_of(parent: Task, step: StepRecord, *, first: int) -> list[Task]:
    """The tasks that `step` names, with their places in the session from `first` on."""
    return [
        Task(
            id=UUID(branch["task_id"]),
            tenant_id=parent.tenant_id,
            session_id=parent.session_id,
            question_id=parent.question_id,
            parent_id=parent.id,
            seq=first + place,
            turn=parent.turn,
            agent_slug=branch["agent"],
            prompt_label=parent.prompt_label,
            task_type=parent.task_type,
            context=parent.context,
            plan=[_plan(branch, step)],
            priority=parent.priority,
            available_at=at_once(),
        )
        for place, branch in enumerate(step.input["branches"])
    ]


def _plan(branch: dict[str, Any], step: StepRecord) -> dict[str, Any]:
    told = {"agent": branch["agent"], "instruction": branch["instruction"]}
    return told | {"note": step.input["note"]}


def begun(claim: Claim, step: StepRecord) -> list[Fact]:
    """What is told of the branches, in their order."""
    return [
        Fact(
            "task.status_changed",
            {
                "task_id": branch["task_id"],
                "status": TaskStatus.QUEUED,
                "parent_task_id": str(claim.task_id),
                "agent": branch["agent"],
            },
            UUID(branch["task_id"]),
        )
        for branch in step.input["branches"]
    ]


def waiting(claim: Claim, step: StepRecord) -> Fact:
    """That the task waits, and for whom."""
    branches: Sequence[Any] = [
        {"task_id": branch["task_id"], "agent": branch["agent"]}
        for branch in step.input["branches"]
    ]
    data = {
        "task_id": str(claim.task_id),
        "status": TaskStatus.WAITING,
        "attempt": claim.attempt,
        "reason": "branches",
        "branches": branches,
    }
    return Fact("task.status_changed", data, claim.task_id)
