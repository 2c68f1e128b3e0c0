"""What every exchange with a model has: a bounded body, a silence that ends, a cause to chain."""

import httpx2
import openai

from routing.errors import LLMBadAnswer, LLMError, LLMTimeout
from routing.llm.types import LLMTarget
from routing.llm.wire import MAX_BODY_BYTES


async def read_bounded(response: httpx2.Response) -> bytes:
    """The body, which is then closed. Raises LLMBadAnswer when it is too large."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise LLMBadAnswer("The language model's answer never ends.")
    finally:
        await response.aclose()
    return bytes(body)


def silent(target: LLMTarget) -> LLMError:
    return LLMTimeout(
        f"The language model did not answer within {target.timeout_seconds:g} s.",
        endpoint=target.name,
    )


def cause_of(exc: Exception) -> Exception | None:
    """The exception to chain. A status error's text holds the provider's body, which may hold a
    key, and tracebacks are logged: that one is left out.
    """
    return None if isinstance(exc, openai.APIStatusError) else exc
