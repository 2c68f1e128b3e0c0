"""Trying again, but only as long as nobody has seen a word of the answer."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final, TypeVar

from routing.errors import (
    AgentBusy,
    AgentError,
    AgentTimeout,
    AgentUnreachable,
    LLMError,
    LLMRateLimited,
    LLMTimeout,
    LLMUnreachable,
)
from routing.llm.types import Completion

TRANSIENT = (
    LLMTimeout,
    LLMUnreachable,
    LLMRateLimited,
    AgentTimeout,
    AgentUnreachable,
    AgentBusy,
)

#: Retries for each call, and how many may be made at once after quiet times.
RETRY_SHARE: Final = 0.1
SPARE_RETRIES: Final = 20.0
MAX_BUDGETS: Final = 10_000

T = TypeVar("T")
Attempt = Callable[[], AsyncGenerator[str | Completion, None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Up to `attempts` in all; waits double from `first_wait_seconds`, with full jitter above half.

    A provider that asks for a longer wait (`Retry-After`) is obeyed up to `max_wait_seconds`;
    asked for more, we give up at once instead of coming too early. No attempt begins later than
    `max_seconds` after the first: a customer is waiting, and there may be a fallback.
    """

    attempts: int = 4
    first_wait_seconds: float = 1.0
    max_wait_seconds: float = 10.0
    max_seconds: float = 60.0

    def wait_before(self, attempt: int, error: LLMError | AgentError) -> float | None:
        """Seconds to wait before `attempt` (2, 3, …) after `error`; None when it is final."""
        if attempt > self.attempts or not is_transient(error):
            return None
        asked = error.retry_after_seconds
        if asked is not None:
            return asked if asked <= self.max_wait_seconds else None
        ceiling = min(self.first_wait_seconds * 2.0 ** (attempt - 2), self.max_wait_seconds)
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


def is_transient(error: LLMError | AgentError) -> bool:
    """True for what may pass by itself within seconds; an exhausted account does not."""
    if error.details.get("provider_code") == "insufficient_quota":
        return False
    return isinstance(error, TRANSIENT)


class RetryBudget:
    """Bounds retries to a tenth of the calls of late, per name: when a provider is down for
    everybody, calling it four times as often does not help it up. May be used from one event loop.
    """

    def __init__(self) -> None:
        self._left: OrderedDict[str, float] = OrderedDict()

    def note_call(self, name: str) -> None:
        self._left[name] = min(self._left.pop(name, SPARE_RETRIES) + RETRY_SHARE, SPARE_RETRIES)
        if len(self._left) > MAX_BUDGETS:
            self._left.popitem(last=False)

    def take(self, name: str) -> bool:
        """Whether one more retry is allowed; it counts from now on."""
        left = self._left.get(name, SPARE_RETRIES)
        if left < 1:
            return False
        self._left[name] = left - 1
        return True


async def with_retries(
    start: Attempt, policy: RetryPolicy, *, may_retry: Callable[[], bool] = lambda: True
) -> AsyncGenerator[str | Completion, None]:
    """What the first attempt that gets as far as a piece yields, to its end, be it good or bad.

    The Completion says how many attempts there were. Closing this closes the running attempt.
    `may_retry` is asked before each retry that the policy would make.
    """
    started = monotonic()
    for attempt in range(1, policy.attempts + 1):
        has_yielded = False
        try:
            async with aclosing(start()) as pieces:
                async for piece in pieces:
                    has_yielded = True
                    if isinstance(piece, Completion):
                        piece = replace(piece, attempts=attempt)
                    yield piece
        except (LLMError, AgentError) as error:
            wait = None if has_yielded else _wait(policy, attempt, error, started)
            if wait is None or not may_retry():
                raise
            await asyncio.sleep(wait)
        else:
            return


async def retried(
    call: Callable[[], Awaitable[T]], policy: RetryPolicy, *, may_retry: Callable[[], bool]
) -> T:
    """What the first attempt that succeeds returns; `with_retries` for a call without pieces."""
    started, attempt = monotonic(), 1
    while True:
        try:
            return await call()
        except LLMError as error:
            wait = _wait(policy, attempt, error, started)
            if wait is None or not may_retry():
                raise
            await asyncio.sleep(wait)
        attempt += 1


def _wait(
    policy: RetryPolicy, attempt: int, error: LLMError | AgentError, started: float
) -> float | None:
    """Seconds until the attempt after this one; None when there is to be none."""
    wait = policy.wait_before(attempt + 1, error)
    if wait is None or monotonic() + wait - started > policy.max_seconds:
        return None
    return wait
