"""Requests per minute, of a tenant, a key and a session: asked at every door, in one step."""

from uuid import UUID

from orkesta.errors import RateLimited
from tenants.allowances import allowance_of
from tenants.limits import LimitDecision, limit_store
from tenants.principals import Principal


def take_request(principal: Principal, *, session_id: UUID | None = None) -> LimitDecision:
    """Count one request. Needs the tenant's scope; never fails because storage does."""
    allowance = allowance_of(principal.tenant_id)
    named = session_id.hex if session_id else ""
    buckets = allowance.buckets(key_id=principal.key_id, session_id=named)
    return limit_store().check(principal.tenant_id, buckets)


def require_request(principal: Principal, *, session_id: UUID | None = None) -> None:
    """Count one request. Raises RateLimited."""
    decision = take_request(principal, session_id=session_id)
    if not decision.allowed:
        raise rate_limited(decision)


def rate_limited(decision: LimitDecision) -> RateLimited:
    """What to tell who was refused."""
    return RateLimited(
        f"The limit of {decision.limit} requests per minute ({decision.bucket}) is used up.",
        retry_after=decision.retry_after_seconds,
    )
