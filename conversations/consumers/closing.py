"""How a WebSocket ends: an `error` event says why, then the close code says of what kind."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any, Final

from django.utils import timezone

from conversations.live_event import EventType, to_json, wire_time
from orkesta.errors import (
    BodyTooLarge,
    Forbidden,
    Malformed,
    NotFound,
    OrkestaError,
    TooMany,
    Unauthenticated,
    Unavailable,
    problem,
)
from orkesta.ids import uuid7
from tenants.errors import KeyExpired, KeyRevoked, TenantSuspended

#: Nobody waits longer for somebody who does not read.
LAST_WORDS_SECONDS: Final = 1.0
#: daphne's library sends no registered code but 1000. Each has a likeness among the private ones.
LIKENESS: Final = 3000


class CloseCode(IntEnum):
    """The codes of this API; those below 4000 are of RFC 6455 and its registry."""

    NORMAL = 1000
    TOO_LARGE = 1009
    INTERNAL = 1011
    RESTART = 1012
    TRY_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    NOT_FOUND = 4404
    TOO_SLOW = 4408
    TOO_MANY = 4429


class TooSlow(OrkestaError):
    """You read too slowly; come back with your last cursor."""

    code = "too_slow"
    http_status = 408
    retryable = True


class TooManyFrames(TooMany):
    """You send more frames than allowed."""

    code = "too_many_frames"


_CODES: Final[list[tuple[type[OrkestaError], CloseCode]]] = [
    (KeyRevoked, CloseCode.FORBIDDEN),
    (Unauthenticated, CloseCode.UNAUTHENTICATED),
    (Forbidden, CloseCode.FORBIDDEN),
    (NotFound, CloseCode.NOT_FOUND),
    (BodyTooLarge, CloseCode.TOO_LARGE),
    (TooMany, CloseCode.TOO_MANY),
    (TooSlow, CloseCode.TOO_SLOW),
    (Malformed, CloseCode.BAD_REQUEST),
    (Unavailable, CloseCode.TRY_LATER),
]


def close_code(error: OrkestaError, *, was_open: bool = False) -> CloseCode:
    """The code for `error`. On an open socket an expired key counts as taken away, like a revoked
    one: connecting with it again is of no use.
    """
    if was_open and isinstance(error, KeyExpired | TenantSuspended):
        return CloseCode.FORBIDDEN
    return next((code for kind, code in _CODES if isinstance(error, kind)), CloseCode.INTERNAL)


def refusal(
    error: OrkestaError, *, request_id: str = "", cursor: str = "", was_open: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two last messages of an accepted socket: why, and the close. `cursor` is where the
    client stands, so that what it keeps of this event is good for coming back.
    """
    seq = int(cursor.partition("~")[0]) if cursor[:1].isdigit() else 0
    told = {
        "type": EventType.ERROR,
        "task_id": None,
        "session_id": None,
        "seq": seq,
        "cursor": cursor if seq else "0",
        "at": wire_time(timezone.now()),
        "data": problem(error, request_id=request_id or uuid7().hex),
    }
    code = close_code(error, was_open=was_open)
    return (
        {"type": "websocket.send", "text": to_json(told).decode()},
        {"type": "websocket.close", "code": int(code)},
    )


async def close(send: Callable[[dict[str, Any]], Awaitable[None]], message: dict[str, Any]) -> None:
    """Send the close `message`; when the server cannot say its code, the likeness of that. Never
    raises but for its own cancellation: a client that has gone needs no close.
    """
    codes = [message["code"]]
    if codes[0] < LIKENESS:
        codes.append(codes[0] + LIKENESS)
    for code in codes:
        saying = asyncio.ensure_future(send(message | {"code": code}))
        try:
            done, _ = await asyncio.wait({saying}, timeout=LAST_WORDS_SECONDS)
        finally:
            saying.cancel()
        if not done or saying.exception() is None:
            return
