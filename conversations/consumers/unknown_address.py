"""The WebSocket addresses that are none."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from conversations.consumers.closing import refusal
from orkesta.errors import NotFound


async def unknown_address(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Accept, say that there is nothing here, and close with 4404."""
    await receive()
    await send({"type": "websocket.accept"})
    for message in refusal(NotFound("There is no WebSocket at this address.")):
        await send(message)
