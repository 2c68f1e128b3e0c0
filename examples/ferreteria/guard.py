"""Who may ask: whoever brings the token. And for how long: while whoever started it is there."""

import hmac
import sys
from collections.abc import Callable
from threading import Thread

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def require_token(app: ASGIApp, token: str) -> ASGIApp:
    """`app` for requests with `Authorization: Bearer <token>`; 401 for all others."""
    expected = f"Bearer {token}".encode()
    refusal = JSONResponse(
        {"error": "invalid_token"}, status_code=401, headers={"WWW-Authenticate": "Bearer"}
    )

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            # In constant time: how long a comparison takes must not tell how much of it is right.
            if not hmac.compare_digest(given, expected):
                await refusal(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded


def call_when_parent_is_gone(end: Callable[[], None]) -> None:
    """Call `end` once standard input ends.

    A parent holds the other end of that pipe. The kernel closes it with the parent, however that
    ended, kill -9 included; nothing has to be polled.
    """

    def watch() -> None:
        sys.stdin.buffer.read()
        end()

    Thread(target=watch, name="parent-watch", daemon=True).start()
