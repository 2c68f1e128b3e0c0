"""What people may do to a task while it runs."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from conversations.engine.dispatch import signal_on_commit
from conversations.errors import TaskNotFound
from conversations.event_log import Fact, Place, append
from conversations.models import Task
from conversations.states import TaskStatus, Wanted
from orkesta.errors import StateConflict


@transaction.atomic
def cancel_task(*, task_id: UUID) -> Task:
    """Stop the task. One that no worker holds is cancelled here and now; a running one is marked,
    and its worker closes the upstream call and settles it. Cancelling twice is no error.

    Raises TaskNotFound, and StateConflict when the task has completed or failed.
    """
    task = Task.objects.select_for_update().filter(pk=task_id).first()
    if task is None:
        raise TaskNotFound
    if task.status == TaskStatus.CANCELLED or task.wanted == Wanted.CANCEL:
        return task
    if task.is_terminal:
        raise StateConflict(f"The task has already {task.status}.")
    if task.status == TaskStatus.PROCESSING:
        task.wanted = Wanted.CANCEL
        task.save(update_fields=["wanted"])
        signal_on_commit(task.id)
        return task
    task.status, task.finished_at = TaskStatus.CANCELLED, timezone.now()
    task.save(update_fields=["status", "finished_at"])
    fact = Fact(
        "task.status_changed",
        {"task_id": str(task.id), "status": TaskStatus.CANCELLED, "reason": "cancelled"},
        task.id,
    )
    append(Place(task.tenant_id, task.session_id), [fact])
    return task
