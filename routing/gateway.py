"""The one door to LLMs: whatever Orkesta asks of a model goes through here."""

from collections.abc import AsyncIterator
from functools import cache

from django.conf import settings

from routing.llm.client import LLMClient
from routing.llm.types import Completion, LLMRequest, LLMTarget


class Gateway:
    """Asks models. One per process, because it holds the connection pool."""

    def __init__(self, client: LLMClient) -> None:
        self._client = client

    def stream(self, target: LLMTarget, request: LLMRequest) -> AsyncIterator[str | Completion]:
        """Pieces of text as they arrive, and the Completion last. Closing the iterator closes the
        upstream call. Raises LLMError.
        """
        return self._client.stream(target, request)

    async def complete(self, target: LLMTarget, request: LLMRequest) -> Completion:
        """The whole answer at once. Raises LLMError."""
        return await self._client.complete(target, request)

    async def aclose(self) -> None:
        await self._client.aclose()


@cache
def get_gateway() -> Gateway:
    """This process's gateway."""
    return Gateway(LLMClient(offline_delay_seconds=settings.ORKESTA_OFFLINE_TOKEN_DELAY_SECONDS))
