"""The one door to LLMs: whatever Orkesta asks of a model goes through here.

In front of each endpoint of a tenant stands a circuit breaker, shared by all processes. Tenants
choose the addresses, so every connection is checked against the operator's policy when it is made.
Every call holds its share of the tenant's budget and is charged (`routing.metering`).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import cache

from django.conf import settings

from orkesta.outbound import configured_policy
from routing.breaker import BreakerStatus, Outcome
from routing.breaker_store import BreakerStore, breaker_store
from routing.errors import CircuitOpen, LLMError, LLMRejected
from routing.llm.client import LLMClient
from routing.llm.types import Completion, LLMRequest, LLMTarget
from routing.metering import metered


class Gateway:
    """Asks models. One per process, because it holds the connection pool."""

    def __init__(self, client: LLMClient, *, breakers: BreakerStore | None = None) -> None:
        self._client = client
        self._breakers = breakers or breaker_store()

    async def stream(
        self, target: LLMTarget, request: LLMRequest
    ) -> AsyncGenerator[str | Completion, None]:
        """Pieces of text as they arrive, and the Completion last. Closing the iterator closes the
        upstream call. Raises LLMError; without asking CircuitOpen, BudgetExhausted, LLMNotAllowed.
        """
        async with (
            metered(target, request) as call,
            self._guarded(target),
            aclosing(self._client.stream(target, request)) as pieces,
        ):
            async for piece in pieces:
                await call.hear(piece)
                yield piece

    async def complete(self, target: LLMTarget, request: LLMRequest) -> Completion:
        """The whole answer at once. Raises what `stream` raises."""
        async with metered(target, request) as call, self._guarded(target):
            completion = await self._client.complete(target, request)
            await call.hear(completion)
            return completion

    async def breaker_status(self, target: LLMTarget) -> BreakerStatus:
        """How the breaker in front of the endpoint stands, as this process last heard."""
        return (await self._breakers.glance(target.tenant_id, breaker_name(target))).status

    async def aclose(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def _guarded(self, target: LLMTarget) -> AsyncIterator[None]:
        """Let the breaker hear how the call went. One that was cut off by us says nothing, nor does
        a request that the provider refused: it answered.
        """
        name = breaker_name(target)
        admission = await self._breakers.admit(target.tenant_id, name)
        if not admission.allowed:
            raise CircuitOpen(retry_after=admission.retry_after_seconds)
        outcome = Outcome.ABANDONED
        try:
            yield
            outcome = Outcome.SUCCESS
        except LLMRejected:
            outcome = Outcome.SUCCESS
            raise
        except LLMError:
            outcome = Outcome.FAILURE
            raise
        finally:
            await self._breakers.report(
                target.tenant_id, name, outcome, is_probe=admission.is_probe
            )


def breaker_name(target: LLMTarget) -> str:
    """The breaker of an endpoint, within its tenant."""
    return f"llm:{target.name}"


@cache
def get_gateway() -> Gateway:
    """This process's gateway."""
    client = LLMClient(
        policy=configured_policy(),
        offline_delay_seconds=settings.ORKESTA_OFFLINE_TOKEN_DELAY_SECONDS,
    )
    return Gateway(client)
