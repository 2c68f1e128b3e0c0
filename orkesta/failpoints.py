"""Named places where a test may let the process die, as `kill -9` would have it, or stand still.

`ORKESTA_FAILPOINT=<name>:<n>` kills at the n-th time the place is reached, `<name>:<n>:stop` makes
the process stand still there until it gets SIGCONT, and both only where
ORCHESTRATOR_DEBUG_FAILPOINTS is set; everywhere else a place is a look at a setting.
"""

import os
import signal
from enum import StrEnum
from itertools import count
from threading import Lock

from django.conf import settings


class Failpoint(StrEnum):
    """Moments between two things that ought to happen together."""

    TASK_WRITTEN = "task_written"
    """A message and its task are inserted; the transaction is still open."""
    TASK_COMMITTED = "task_committed"
    """They are committed; no worker has been woken and no answer sent."""
    TASK_CLAIMED = "task_claimed"
    """A worker owns a task and has not begun it."""
    TEXT_SENT = "text_sent"
    """Watchers have seen a piece of an answer that is not finished."""
    MODEL_ANSWERED = "model_answered"
    """The language model's answer is complete; nothing of it is stored."""
    CALL_BEGUN = "call_begun"
    """A call that changes something is recorded as begun; it has not been made."""
    TOOL_ANSWERED = "tool_answered"
    """A tool's answer is complete; nothing of it is stored."""
    STEP_WRITTEN = "step_written"
    """A step and what comes of it are inserted; the transaction is still open."""
    BRANCHES_WRITTEN = "branches_written"
    """The branches of a workflow are inserted, and it waits; the transaction is still open."""
    BRANCHES_JOINED = "branches_joined"
    """The last branch of a workflow has ended and woken it; the transaction is still open."""
    STEP_COMMITTED = "step_committed"
    """They are committed; the worker does not know yet."""
    CANCEL_HEARD = "cancel_heard"
    """The worker knows that its task is to be cancelled; the task is not settled."""
    DUE_TIME_TAKEN = "due_time_taken"
    """A schedule's message is posted and its run inserted; the transaction is still open."""
    DELIVERY_CLAIMED = "delivery_claimed"
    """A dispatcher owns a webhook's delivery; nothing has been sent."""
    DELIVERY_SENT = "delivery_sent"
    """The receiver has answered; nobody has noted it."""


_times = count(1)
_lock = Lock()


def failpoint(place: Failpoint) -> None:
    """Die here, if that is what the environment says."""
    if settings.ORKESTA_FAILPOINT:
        _reach(place)


def _reach(place: Failpoint) -> None:
    name, number, *rest = settings.ORKESTA_FAILPOINT.split(":")
    if place != name:
        return
    with _lock:
        if next(_times) == int(number):
            os.kill(os.getpid(), signal.SIGSTOP if rest == ["stop"] else signal.SIGKILL)
