"""The real LLM client with the fake upstream behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from orkesta.crypto import Secret
from routing.llm.client import LLMClient
from routing.llm.inprocess import InProcessTransport
from routing.llm.retry import RetryPolicy
from routing.llm.types import OFFLINE_URL, Completion, LLMRequest, LLMTarget
from tests.fakes.llm_server import FAKE_BASE_URL, FAKE_URL, Behaviour, FakeLLM

KEY = "sk-canary-4242424242424242"
TARGET = LLMTarget(name="fake", base_url=FAKE_BASE_URL, api_key=Secret(KEY), model="fake-1")
OFFLINE = LLMTarget("offline", OFFLINE_URL, Secret(""), "orkesta-offline")
HELLO = LLMRequest(messages=[{"role": "user", "content": "hola"}])
QUICK = RetryPolicy(attempts=3, first_wait_seconds=0.001)


@dataclass
class Door:
    """A client, the upstream behind it, and how to ask it."""

    client: LLMClient
    fake: FakeLLM
    target: LLMTarget = TARGET

    async def stream(
        self, request: LLMRequest = HELLO, **target: Any
    ) -> tuple[list[str], Completion]:
        """The pieces and the completion that ended them."""
        seen = [
            piece async for piece in self.client.stream(replace(self.target, **target), request)
        ]
        pieces, completion = seen[:-1], seen[-1]
        assert isinstance(completion, Completion)
        return [piece for piece in pieces if isinstance(piece, str)], completion

    async def complete(self, request: LLMRequest = HELLO, **target: Any) -> Completion:
        return await self.client.complete(replace(self.target, **target), request)


@asynccontextmanager
async def open_door(*behaviours: Behaviour, retry: RetryPolicy = QUICK) -> AsyncIterator[Door]:
    fake = FakeLLM(*behaviours)
    client = LLMClient(
        retry=retry,
        transports={FAKE_URL: InProcessTransport(fake)},
        offline_delay_seconds=0,
    )
    try:
        yield Door(client, fake)
    finally:
        await client.aclose()
