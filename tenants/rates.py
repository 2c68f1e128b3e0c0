"""Requests per minute, of a tenant, a key and a session: asked at every door, in one step."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from orkesta.errors import RateLimited
from tenants.allowances import allowance_of
from tenants.errors import RateTooSmall
from tenants.limits import Bucket, LimitDecision, limit_store
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


def take_more_requests(
    principal: Principal, *, session_ids: Iterable[UUID | None]
) -> LimitDecision:
    """Count a request for each of these sessions (None: a new one), all of them or none, beside the
    one that brought them and that has been counted: it stands for the first of the tenant's and the
    key's. Raises RateTooSmall when they are more than ever fit, and counts nothing then.
    """
    allowance = allowance_of(principal.tenant_id)
    sessions = Counter(session_ids)
    total = sessions.total()
    general = allowance.buckets(key_id=principal.key_id)
    own = [
        replace(bucket, cost=num)
        for session_id, num in sessions.items()
        if session_id is not None
        for bucket in allowance.buckets(key_id=None, session_id=session_id.hex)
        if bucket.key == session_id.hex
    ]
    _require_room(general, total)
    for bucket in own:
        _require_room([bucket], bucket.cost)
    beyond = [replace(bucket, cost=total - 1) for bucket in general]
    return limit_store().check(principal.tenant_id, [*beyond, *own])


def _require_room(buckets: Iterable[Bucket], num: int) -> None:
    for bucket in buckets:
        if num > bucket.limit:
            raise RateTooSmall(
                f"It counts as {num} requests, and at most {bucket.limit} may come in a minute "
                f"({bucket.name}). Send it in parts."
            )


def rate_limited(decision: LimitDecision) -> RateLimited:
    """What to tell who was refused."""
    return RateLimited(
        f"The limit of {decision.limit} requests per minute ({decision.bucket}) is used up.",
        retry_after=decision.retry_after_seconds,
    )
