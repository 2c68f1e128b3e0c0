"""The states of sessions, tasks and steps, and every move between them. Pure tables, read by all."""

from collections.abc import Mapping
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _


class SessionStatus(models.TextChoices):
    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")
    EXPIRED = "expired", _("Expired")


class TaskStatus(models.TextChoices):
    QUEUED = "queued", _("Queued")
    PROCESSING = "processing", _("Processing")
    PAUSED = "paused", _("Paused")
    INPUT_REQUIRED = "input_required", _("Input required")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Wanted(models.TextChoices):
    """What somebody asked of a running task; its worker obeys at the next chance."""

    NOTHING = "", _("Nothing")
    PAUSE = "pause", _("Pause")
    CANCEL = "cancel", _("Cancel")


class StepKind(models.TextChoices):
    ROUTE = "route", _("Route")
    MODEL = "model", _("LLM call")


class StepStatus(models.TextChoices):
    STARTED = "started", _("Started")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")


TASK_MOVES: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    TaskStatus.QUEUED: frozenset({TaskStatus.PROCESSING, TaskStatus.PAUSED, TaskStatus.CANCELLED, TaskStatus.FAILED}),
    TaskStatus.PROCESSING: frozenset(
        {TaskStatus.QUEUED, TaskStatus.PAUSED, TaskStatus.INPUT_REQUIRED, TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}
    ),
    TaskStatus.PAUSED: frozenset({TaskStatus.QUEUED, TaskStatus.CANCELLED}),
    TaskStatus.INPUT_REQUIRED: frozenset({TaskStatus.QUEUED, TaskStatus.CANCELLED, TaskStatus.FAILED}),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset({TaskStatus.QUEUED}),
    TaskStatus.CANCELLED: frozenset(),
}  # fmt: skip

SESSION_MOVES: Final[Mapping[SessionStatus, frozenset[SessionStatus]]] = {
    SessionStatus.OPEN: frozenset({SessionStatus.CLOSED, SessionStatus.EXPIRED}),
    SessionStatus.CLOSED: frozenset(),
    SessionStatus.EXPIRED: frozenset(),
}

#: No more work will happen on these by itself.
TERMINAL: Final = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})
#: These hold their session: a later task of the same session waits for them.
UNFINISHED: Final = frozenset(TaskStatus) - TERMINAL


def may_move(*, frm: str, to: str) -> bool:
    """Whether a task may go from one status to the other."""
    return TaskStatus(to) in TASK_MOVES[TaskStatus(frm)]
