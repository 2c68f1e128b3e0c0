"""The life of a session: opened, closed, expired."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from conversations.errors import SessionNotFound, SessionNotOpen
from conversations.event_log import Fact, Place, append
from conversations.models import Session
from conversations.states import SESSION_MOVES, SessionStatus
from tenants.principals import Principal


@transaction.atomic
def open_session(
    *,
    principal: Principal,
    user_ref: str = "",
    user_name: str = "",
    context: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Session:
    """A new open session of the principal's tenant."""
    return Session.objects.create(
        tenant_id=principal.tenant_id,
        opened_by_id=principal.key_id,
        user_ref=user_ref,
        user_name=user_name,
        context=dict(context or {}),
        metadata=dict(metadata or {}),
    )


@transaction.atomic
def close_session(*, session_id: UUID) -> Session:
    """End the session; tasks already accepted still finish. Closing a closed session is no error.

    Raises SessionNotFound, and SessionNotOpen for an expired one.
    """
    session = lock_session(session_id)
    if session.status == SessionStatus.CLOSED:
        return session
    if SessionStatus.CLOSED not in SESSION_MOVES[SessionStatus(session.status)]:
        raise SessionNotOpen
    now = timezone.now()
    session.status, session.closed_at = SessionStatus.CLOSED, now
    session.save(update_fields=["status", "closed_at"])
    append(Place.of(session), [Fact("session.status_changed", {"status": SessionStatus.CLOSED})])
    session.refresh_from_db()
    return session


def check_is_open(session: Session) -> None:
    """Raises SessionNotOpen when the session takes nothing any more."""
    if session.status != SessionStatus.OPEN or session.expires_at <= timezone.now():
        raise SessionNotOpen


def lock_session(session_id: UUID) -> Session:
    """The session, locked until the transaction ends. Raises SessionNotFound."""
    session = Session.objects.select_for_update().filter(pk=session_id).first()
    if session is None:
        raise SessionNotFound
    return session
