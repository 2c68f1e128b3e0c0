"""Where the answer to a message can be followed, as paths: the caller knows the host best."""

from uuid import UUID

from django.urls import reverse


def stream_path(task_id: UUID) -> str:
    """Server-sent events of one task."""
    return reverse("task-stream", args=[task_id])


def socket_path(tenant_slug: str, session_id: UUID) -> str:
    """The WebSocket of one session."""
    return f"/ws/{tenant_slug}/{session_id}"
