"""What is said over lines that stay open: WebSockets, and responses that go on."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

import orjson
from channels.routing import URLRouter
from django.conf import settings
from django.http import StreamingHttpResponse
from django.utils.module_loading import import_string

#: Who says nothing for so long has said what there was to say.
QUIET_SECONDS: Final = 0.25
#: Nobody takes so long to say anything at all.
PATIENCE_SECONDS: Final = 10.0
LOST: Final = 1006
LAST: Final = "last"


def sockets() -> URLRouter:
    """The addresses of the installation's WebSockets."""
    return cast("URLRouter", import_string(settings.ORKESTA_SOCKETS))


async def converse(
    path: str, headers: Mapping[str, str], frames: Sequence[Mapping[str, Any]]
) -> tuple[int, str]:
    """Open the WebSocket, say `frames`, and listen: the code of its close (1000 when it stayed
    open), and what it said, a frame per line.
    """
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said.put_nowait({"type": "websocket.connect"})
    for frame in [*frames, {"type": "ping", "request_id": LAST}]:
        said.put_nowait({"type": "websocket.receive", "text": orjson.dumps(frame).decode()})
    serving = asyncio.ensure_future(sockets()(_scope(path, headers), said.get, heard.put))
    serving.add_done_callback(lambda _: heard.put_nowait({"type": "websocket.close", "code": LOST}))
    lines: list[str] = []
    code = 1000
    seconds = PATIENCE_SECONDS
    try:
        while True:
            message = await asyncio.wait_for(heard.get(), seconds)
            if message["type"] == "websocket.close":
                code = message["code"]
                break
            lines.append(message.get("text", ""))
            if f'"request_id":"{LAST}"' in lines[-1]:
                seconds = QUIET_SECONDS
    except TimeoutError:
        pass
    said.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await serving
    return code, "\n".join(line for line in lines if line)


async def beginning_of(response: StreamingHttpResponse) -> str:
    """What a response that goes on says until it has nothing more to say."""
    parts = aiter(cast("AsyncIterator[bytes]", response.streaming_content))
    heard = [await anext(parts)]
    with suppress(TimeoutError, StopAsyncIteration):
        while True:
            seconds = PATIENCE_SECONDS if len(heard) == 1 else QUIET_SECONDS
            heard.append(await asyncio.wait_for(anext(parts), seconds))
    return b"".join(heard).decode("utf-8", "replace")


def _scope(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": [],
        "client": ("127.0.0.1", 0),
    }
