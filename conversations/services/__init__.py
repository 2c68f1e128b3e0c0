"""The acts of this room. Each is one transaction under an active tenant scope."""

from conversations.services.batches import BatchRequest, cancel_batch, post_batch
from conversations.services.inputs import give_input
from conversations.services.messages import PostedMessage, post_message
from conversations.services.sessions import close_session, open_session
from conversations.services.tasks import (
    Verb,
    cancel_task,
    fork_task,
    pause_task,
    resume_task,
    retry_task,
    statuses_for,
    verbs_for,
)

__all__ = [
    "BatchRequest",
    "PostedMessage",
    "Verb",
    "cancel_batch",
    "cancel_task",
    "close_session",
    "fork_task",
    "give_input",
    "open_session",
    "pause_task",
    "post_batch",
    "post_message",
    "resume_task",
    "retry_task",
    "statuses_for",
    "verbs_for",
]
