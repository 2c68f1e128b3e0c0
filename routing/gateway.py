"""The one door to LLMs: whatever Orkesta asks of a model goes through here.

In front of each endpoint of a tenant stands a circuit breaker, shared by all processes. Tenants
choose the addresses, so every connection is checked against the operator's policy when it is made.
Every call holds its share of the tenant's budget and is charged (`routing.metering`).
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from functools import cache
from typing import Final

from django.conf import settings

from orkesta.errors import OrkestaError
from orkesta.outbound import configured_policy
from routing.breaker import BreakerStatus
from routing.breaker_store import BreakerStore, breaker_store
from routing.errors import AgentCircuitOpen, CircuitOpen, LLMBadAnswer, LLMError, LLMRejected
from routing.guarding import Guard, agent_breaker, guarded
from routing.llm.client import LLMClient
from routing.llm.embeddings import Embeddings
from routing.llm.types import Completion, FailedTarget, LLMRequest, LLMTarget
from routing.metering import TextsToEmbed, metered
from tenants.errors import LLMNotAllowed

#: What another target may do better. A spent budget is spent for all of them.
REPLACEABLE: Final = (LLMError, LLMNotAllowed)
#: A provider that refuses a request has answered.
GUARD: Final = Guard(refusal=CircuitOpen, answered=(LLMRejected,), failure=LLMError)
#: Of an agent, whose LLM endpoints may all be well with others. Those that were not asked say
#: nothing of it.
AGENT_GUARD: Final = Guard(
    refusal=AgentCircuitOpen, answered=(LLMRejected,), failure=LLMError, silent=(CircuitOpen,)
)


class Gateway:
    """Asks models. One per process, because it holds the connection pool."""

    def __init__(self, client: LLMClient, *, breakers: BreakerStore | None = None) -> None:
        self._client = client
        self._breakers = breakers or breaker_store()

    async def stream(
        self, target: LLMTarget, request: LLMRequest
    ) -> AsyncGenerator[str | Completion, None]:
        """Pieces of text as they arrive, and the Completion last. Closing the iterator closes the
        upstream call. A target that fails before its first piece, or answers with nothing, is
        replaced by its fallback; never one that has said something.

        Raises LLMError, the last one, with the detail `failed`: the targets that were asked, or
        would have been. Without asking CircuitOpen, BudgetExhausted, LLMNotAllowed.
        """
        failed: tuple[FailedTarget, ...] = ()
        while True:
            has_said = False
            try:
                async with aclosing(self._stream_one(target, request)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Completion):
                            piece = _told(piece, target, failed, is_empty=not has_said)
                        has_said = True
                        yield piece
                return
            except REPLACEABLE as exc:
                failed = (*failed, await self._failure(target, exc))
                if has_said or target.fallback is None:
                    exc.details["failed"] = failed
                    raise
                target = target.fallback

    def guarded_agent(self, target: LLMTarget, slug: str) -> AbstractAsyncContextManager[None]:
        """The breaker in front of an agent that speaks with `target` and its fallbacks. Raises
        AgentCircuitOpen without letting anybody through.
        """
        name = agent_breaker(slug)
        return guarded(self._breakers, target.tenant_id, name, guard=AGENT_GUARD)

    async def complete(self, target: LLMTarget, request: LLMRequest) -> Completion:
        """The whole answer at once, of the first target that has one. Raises what `stream` does."""
        failed: tuple[FailedTarget, ...] = ()
        while True:
            try:
                completion = await self._complete_one(target, request)
                return _told(completion, target, failed, is_empty=not completion.text)
            except REPLACEABLE as exc:
                failed = (*failed, await self._failure(target, exc))
                if target.fallback is None:
                    exc.details["failed"] = failed
                    raise
                target = target.fallback

    async def _stream_one(
        self, target: LLMTarget, request: LLMRequest
    ) -> AsyncGenerator[str | Completion, None]:
        completion = None
        async with (
            metered(target, request) as call,
            self._guarded(target),
            aclosing(self._client.stream(target, request)) as pieces,
        ):
            async for piece in pieces:
                await call.hear(piece)
                if isinstance(piece, Completion):
                    completion = piece
                else:
                    yield piece
        # Last of all: whoever has it may never come back, and the breaker should have heard of it.
        if completion is not None:
            yield completion

    async def _complete_one(self, target: LLMTarget, request: LLMRequest) -> Completion:
        async with metered(target, request) as call, self._guarded(target):
            completion = await self._client.complete(target, request)
            await call.hear(completion)
            return completion

    async def embed(self, target: LLMTarget, texts: Sequence[str]) -> Embeddings:
        """A vector for each text, of `target` alone: those of another model cannot be compared.

        Raises what `complete` does. A breaker of its own: an endpoint whose vectors fail may well
        answer.
        """
        name = embedding_breaker_name(target.name)
        guard = guarded(self._breakers, target.tenant_id, name, guard=GUARD)
        async with metered(target, TextsToEmbed(texts)) as call, guard:
            found = await self._client.embed(target, texts)
            await call.hear(found)
            return found

    async def _failure(self, target: LLMTarget, error: OrkestaError) -> FailedTarget:
        status = await self.breaker_status(target)
        return FailedTarget(target.name, target.model, error.code, error.message[:500], status)

    async def breaker_status(self, target: LLMTarget) -> BreakerStatus:
        """How the breaker in front of the endpoint stands, as this process last heard."""
        return (await self._breakers.glance(target.tenant_id, breaker_name(target))).status

    async def aclose(self) -> None:
        await self._client.aclose()

    def _guarded(self, target: LLMTarget) -> AbstractAsyncContextManager[None]:
        return guarded(self._breakers, target.tenant_id, breaker_name(target), guard=GUARD)


def _told(
    completion: Completion, target: LLMTarget, failed: tuple[FailedTarget, ...], *, is_empty: bool
) -> Completion:
    """The completion, and who it is of. One that holds nothing counts as a failure as long as there
    is somebody else to ask.
    """
    if is_empty and not completion.tool_calls and target.fallback is not None:
        raise LLMBadAnswer("The language model answered with nothing.")
    return replace(completion, endpoint=target.name, failed=failed)


def breaker_name(target: LLMTarget) -> str:
    """The breaker of an endpoint, within its tenant."""
    return f"llm:{target.name}"


def embedding_breaker_name(endpoint: str) -> str:
    """The breaker of what an endpoint embeds, within its tenant."""
    return f"embeddings:{endpoint}"


@cache
def get_gateway() -> Gateway:
    """This process's gateway."""
    client = LLMClient(
        policy=configured_policy(),
        offline_delay_seconds=settings.ORKESTA_OFFLINE_TOKEN_DELAY_SECONDS,
    )
    return Gateway(client)
