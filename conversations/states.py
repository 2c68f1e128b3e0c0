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
    WAITING = "waiting", _("Waiting for branches")
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
    TOOL = "tool", _("Tool call")
    HUMAN = "human", _("Person")
    HANDOFF = "handoff", _("Handoff")
    SUMMARY = "summary", _("Summary")
    AGENT = "agent", _("Remote agent")
    JOIN = "join", _("Parallel branches")


class StepStatus(models.TextChoices):
    STARTED = "started", _("Started")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")


class InputKind(models.TextChoices):
    """What a person is asked for."""

    QUESTION = "question", _("Question of an agent")
    APPROVAL = "approval", _("Approval of a tool call")
    OUTCOME = "outcome", _("Outcome of an interrupted call")


class InputStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    ANSWERED = "answered", _("Answered")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    EXPIRED = "expired", _("Expired")


class InputAction(models.TextChoices):
    """What a person may do about it."""

    ANSWER = "answer", _("Answer")
    APPROVE = "approve", _("Approve")
    REJECT = "reject", _("Reject")
    EDIT = "edit", _("Approve with other arguments")


class Audience(models.TextChoices):
    """Who may answer."""

    CUSTOMER = "customer", _("Customer")
    STAFF = "staff", _("Staff")


_T = TaskStatus

TASK_MOVES: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    _T.QUEUED: frozenset({_T.PROCESSING, _T.PAUSED, _T.CANCELLED, _T.FAILED}),
    _T.PROCESSING: frozenset(
        {
            _T.QUEUED,
            _T.PAUSED,
            _T.WAITING,
            _T.INPUT_REQUIRED,
            _T.COMPLETED,
            _T.FAILED,
            _T.CANCELLED,
        }
    ),
    _T.PAUSED: frozenset({_T.QUEUED, _T.WAITING, _T.CANCELLED}),
    _T.WAITING: frozenset({_T.QUEUED, _T.PAUSED, _T.CANCELLED}),
    _T.INPUT_REQUIRED: frozenset({_T.QUEUED, _T.CANCELLED, _T.FAILED}),
    _T.COMPLETED: frozenset(),
    _T.FAILED: frozenset(),
    _T.CANCELLED: frozenset(),
}

_A = InputAction

INPUT_ACTIONS: Final[Mapping[InputKind, frozenset[InputAction]]] = {
    InputKind.QUESTION: frozenset({_A.ANSWER, _A.REJECT}),
    InputKind.APPROVAL: frozenset({_A.APPROVE, _A.REJECT, _A.EDIT}),
    InputKind.OUTCOME: frozenset({_A.APPROVE, _A.REJECT}),
}

#: What becomes of a request when somebody acts on it.
INPUT_RESULTS: Final[Mapping[InputAction, InputStatus]] = {
    _A.ANSWER: InputStatus.ANSWERED,
    _A.APPROVE: InputStatus.APPROVED,
    _A.REJECT: InputStatus.REJECTED,
    _A.EDIT: InputStatus.APPROVED,
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
