"""Calls that are made again: those that do no harm twice, after a failure that may pass."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import stamina

from routing.errors import ToolError, ToolFailed, ToolUnreachable
from routing.tools.values import Recovery, Risk, ToolSnapshot

R = TypeVar("R")

ATTEMPTS: Final = 3
FIRST_WAIT_SECONDS: Final = 0.2
MAX_WAIT_SECONDS: Final = 5.0
#: Statuses with which a server says "not now" (RFC 9110 §15, RFC 6585 §4).
TRANSIENT: Final = frozenset({429, 502, 503, 504})


def may_repeat(tool: ToolSnapshot) -> bool:
    """Whether a call that may have arrived can be made again, with the same key."""
    return tool.risk is Risk.READ or tool.recovery is Recovery.IDEMPOTENT


async def insist(send: Callable[[], Awaitable[R]], *, attempts: int, seconds: float) -> R:
    """What `send` brings back: tried up to `attempts` times while that may help and time is left.
    `Retry-After` is obeyed. Raises what the last try raised.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    attempts_left = stamina.retry_context(
        on=lambda exc: _wait_after(exc, deadline),
        attempts=attempts,
        timeout=seconds,
        wait_initial=FIRST_WAIT_SECONDS,
        wait_jitter=FIRST_WAIT_SECONDS,
        wait_max=MAX_WAIT_SECONDS,
    )
    async for attempt in attempts_left:
        with attempt:
            return await send()
    raise ToolFailed  # pragma: no cover - the last attempt raises or returns


def _wait_after(exc: Exception, deadline: float) -> bool | float:
    """Whether a failure may pass by itself, or after how many seconds its server says it will."""
    if not isinstance(exc, ToolError) or exc.details.get("status", 503) not in TRANSIENT:
        return False
    if not isinstance(exc, ToolUnreachable) and "status" not in exc.details:
        return False
    asked = exc.retry_after_seconds
    if asked is None:
        return True
    left = deadline - asyncio.get_running_loop().time()
    return max(asked, FIRST_WAIT_SECONDS) if asked < left else False
