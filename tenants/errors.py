"""What can go wrong with tenants and their keys.

* OrkestaError
  + Unauthenticated (401)
    - KeyMissing                key_missing
    - KeyInvalid                key_invalid: unknown, garbled and wrong look the same
    - KeyExpired                key_expired: told only to who holds the whole key
    - KeyRevoked                key_revoked: likewise
    - TicketInvalid             ticket_invalid
  + Forbidden (403)
    - ScopeMissing              scope_missing
    - TenantSuspended           tenant_suspended
    - OriginNotAllowed          origin_not_allowed
    - FeatureNotIncluded        feature_not_included
    - LLMNotAllowed             llm_not_allowed
    - AgentNotAllowed           agent_not_allowed
    - AddressNotAllowed         ip_not_allowed
  + Malformed (400)
    - IdempotencyKeyMalformed   idempotency_key_malformed
  + NotFound (404)
    - KeyNotFound               not_found
  + Conflict (409)
    - IdempotencyInProgress     idempotency_in_progress
    - KeyNotRotatable           key_not_rotatable
  + Invalid (422)
    - IdempotencyKeyReused      idempotency_key_reused
  + TooMany (429)
    - SocketsExhausted          sockets_exhausted
    - BudgetExhausted           budget_exhausted
    - RateTooSmall              rate_too_small
"""

from orkesta.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    TooMany,
    Unauthenticated,
)


class KeyMissing(Unauthenticated):
    """An API key is needed: send `Authorization: Bearer ork_…` or `X-API-Key: ork_…`."""

    code = "key_missing"


class KeyInvalid(Unauthenticated):
    """The API key is not valid."""

    code = "key_invalid"


class KeyExpired(Unauthenticated):
    """The API key has expired."""

    code = "key_expired"


class KeyRevoked(Unauthenticated):
    """The API key has been revoked."""

    code = "key_revoked"


class ScopeMissing(Forbidden):
    """The API key lacks the scope that this call needs."""

    code = "scope_missing"


class TenantSuspended(Forbidden):
    """The tenant is suspended."""

    code = "tenant_suspended"


class KeyNotFound(NotFound):
    """There is no such API key here."""


class KeyNotRotatable(Conflict):
    """Only a usable API key that has no successor yet can be rotated."""

    code = "key_not_rotatable"


class IdempotencyKeyMalformed(Malformed):
    """An `Idempotency-Key` has 1 to 255 visible ASCII characters."""

    code = "idempotency_key_malformed"


class IdempotencyInProgress(Conflict):
    """A request with this `Idempotency-Key` is still being answered; ask again in a second."""

    code = "idempotency_in_progress"
    retryable = True


class IdempotencyKeyReused(Invalid):
    """This `Idempotency-Key` was used for another request."""

    code = "idempotency_key_reused"


class OriginNotAllowed(Forbidden):
    """Browsers may not connect from this origin."""

    code = "origin_not_allowed"


class FeatureNotIncluded(Forbidden):
    """The tenant's tier does not include this."""

    code = "feature_not_included"


class LLMNotAllowed(Forbidden):
    """The tenant's tier does not allow this LLM."""

    code = "llm_not_allowed"


class AgentNotAllowed(Forbidden):
    """The API key may not talk to this agent."""

    code = "agent_not_allowed"


class AddressNotAllowed(Forbidden):
    """The API key may not be used from this address."""

    code = "ip_not_allowed"


class TicketInvalid(Unauthenticated):
    """The ticket is unknown, used, expired, or meant for something else."""

    code = "ticket_invalid"


class SocketsExhausted(TooMany):
    """There are as many open connections as allowed; close one, or come back later."""

    code = "sockets_exhausted"


class BudgetExhausted(TooMany):
    """The tenant's budget for this month is used up; somebody has to raise it."""

    code = "budget_exhausted"
    retryable = False


class RateTooSmall(TooMany):
    """The requests are more than the rate limit ever lets through at once."""

    code = "rate_too_small"
    retryable = False
