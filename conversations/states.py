"""The states of sessions, tasks and steps, and every move between them, as tables."""

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


_T = TaskStatus

TASK_MOVES: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    _T.QUEUED: frozenset({_T.PROCESSING, _T.PAUSED, _T.CANCELLED, _T.FAILED}),
    _T.PROCESSING: frozenset(
        {_T.QUEUED, _T.PAUSED, _T.INPUT_REQUIRED, _T.COMPLETED, _T.FAILED, _T.CANCELLED}
    ),
    _T.PAUSED: frozenset({_T.QUEUED, _T.CANCELLED}),
    _T.INPUT_REQUIRED: frozenset({_T.QUEUED, _T.CANCELLED, _T.FAILED}),
    _T.COMPLETED: frozenset(),
    _T.FAILED: frozenset(),
    _T.CANCELLED: frozenset(),
}

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
