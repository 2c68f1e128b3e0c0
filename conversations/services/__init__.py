"""The acts of this room. Each is one transaction under an active tenant scope."""

from conversations.services.messages import PostedMessage, post_message
from conversations.services.sessions import close_session, open_session
from conversations.services.tasks import cancel_task

__all__ = ["PostedMessage", "cancel_task", "close_session", "open_session", "post_message"]
