"""Whose connection it is that follows a session, and how many the tenant's tier lets them have."""

from uuid import UUID

from conversations.connections import Owner, Room
from conversations.models import Session
from tenants.allowances import allowance_of


def owner_of(session: Session) -> Owner:
    """The tenant and its customer. Sessions that name nobody are customers of their own."""
    return Owner(session.tenant_id, session.user_ref or str(session.pk))


def room_of(tenant_id: UUID) -> Room:
    """What the tier allows now. Needs the tenant's scope."""
    allowance = allowance_of(tenant_id)
    return Room(allowance.max_sockets, allowance.max_sockets_per_user)
