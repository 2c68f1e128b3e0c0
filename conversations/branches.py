"""Branches of a workflow: the last one that ends wakes the task that waits for them, in its own
transaction.

Whoever changes a branch holds its parent's row first, everywhere. So of two branches that end at
the same time the second one sees what the first one did, exactly one of them is the last, and no
two transactions wait for each other.
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from conversations.engine.dispatch import at_once, dispatch_on_commit
from conversations.errors import BranchesFailed
from conversations.event_log import Fact, Place, append, step_recorded
from conversations.models import Step, Task
from conversations.states import UNFINISHED, StepKind, StepStatus, TaskStatus
from orkesta.failpoints import Failpoint, failpoint

#: Of what one branch found, as the join keeps it.
MAX_FINDING_CHARS: Final = 8000


def hold_parent(parent_id: UUID | None) -> None:
    """Lock the row of the task that waits for this one, until the transaction ends. To be called
    before anything else is written. None: nobody waits.
    """
    if parent_id is not None:
        list(Task.objects.select_for_update().filter(pk=parent_id).values_list("pk"))


def open_join(task: Task) -> Step | None:
    """The step with which the task began to wait for its branches, while any of them is at work."""
    return task.steps.filter(kind=StepKind.JOIN, status=StepStatus.STARTED).last()


def note_branch_end(parent_id: UUID | None) -> None:
    """A branch has ended, in this transaction, which holds its parent; with the last one the parent
    goes on, unless somebody has paused it. None: the task was no branch.
    """
    if parent_id is None:
        return
    branches = Task.objects.filter(parent=parent_id)
    if branches.filter(status__in=sorted(UNFINISHED)).exists():
        return
    parent = Task.objects.get(pk=parent_id)
    step = None if parent.is_terminal else open_join(parent)
    if step is None:
        return
    _close(step, _findings(step, branches))
    facts = [step_recorded(parent, step)]
    if parent.status == TaskStatus.WAITING:
        facts.append(_wake(parent))
    append(Place(parent.tenant_id, parent.session_id), facts)
    failpoint(Failpoint.BRANCHES_JOINED)


def _findings(step: Step, branches: Iterable[Task]) -> list[dict[str, Any]]:
    """What each branch came to, in the order of the plan."""
    ended = {str(task.id): task for task in branches}
    return [_finding(branch, ended[branch["task_id"]]) for branch in step.input["branches"]]


def _finding(branch: dict[str, Any], task: Task) -> dict[str, Any]:
    found = {**branch, "status": task.status}
    if task.status == TaskStatus.COMPLETED:
        return found | {"text": task.finding[:MAX_FINDING_CHARS]}
    detail = task.error_detail or "Somebody stopped it."
    return found | {"error": {"code": task.error_code or task.status, "detail": detail}}


def _close(step: Step, findings: list[dict[str, Any]]) -> None:
    errors = [found["error"] for found in findings if "error" in found]
    step.status, step.output = StepStatus.SUCCEEDED, {"findings": findings}
    if len(errors) == len(findings):
        step.status = StepStatus.FAILED
        named = "; ".join(f"«{found['agent']}»: {found['error']['code']}" for found in findings)
        detail = f"All branches failed: {named}. The last one: {errors[-1]['detail']}"
        step.output |= {"code": BranchesFailed.code, "detail": detail[:1000]}
    step.finished_at = timezone.now()
    step.duration_ms = (step.finished_at - step.started_at).total_seconds() * 1000
    step.save(update_fields=["status", "output", "finished_at", "duration_ms"])


def _wake(parent: Task) -> Fact:
    parent.status, parent.available_at = TaskStatus.QUEUED, at_once()
    parent.save(update_fields=["status", "available_at"])
    dispatch_on_commit(parent.id, priority=parent.priority)
    data = {"task_id": str(parent.id), "status": TaskStatus.QUEUED, "reason": "branches_ended"}
    return Fact("task.status_changed", data, parent.id)
