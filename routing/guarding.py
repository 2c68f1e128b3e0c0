"""A call behind its circuit breaker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orkesta.errors import OrkestaError
from routing.breaker import Outcome
from routing.breaker_store import BreakerStore, TenantId


@dataclass(frozen=True, slots=True)
class Guard:
    """What the errors of a kind of call mean: `refusal` is raised instead of asking, `answered` is
    said by one who is well, `silent` says nothing, any other `failure` is a failure.
    """

    refusal: type[OrkestaError]
    answered: tuple[type[OrkestaError], ...]
    failure: type[OrkestaError]
    silent: tuple[type[OrkestaError], ...] = ()


@asynccontextmanager
async def guarded(
    breakers: BreakerStore, tenant_id: TenantId, name: str, *, guard: Guard
) -> AsyncIterator[None]:
    """Let the breaker hear how the call went. One that was cut off by us says nothing."""
    admission = await breakers.admit(tenant_id, name)
    if not admission.allowed:
        raise guard.refusal(retry_after=admission.retry_after_seconds)
    outcome = Outcome.ABANDONED
    try:
        yield
        outcome = Outcome.SUCCESS
    except guard.silent:
        raise
    except guard.answered:
        outcome = Outcome.SUCCESS
        raise
    except guard.failure:
        outcome = Outcome.FAILURE
        raise
    finally:
        await breakers.report(tenant_id, name, outcome, probe=admission.probe)


def agent_breaker(slug: str) -> str:
    """The breaker of an agent, within its tenant."""
    return f"agent:{slug}"
