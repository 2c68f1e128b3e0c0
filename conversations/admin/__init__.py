"""The admin of conversations: what was said, the work behind it, and the dashboard."""

from conversations.admin import sessions, tasks

__all__ = ["sessions", "tasks"]
