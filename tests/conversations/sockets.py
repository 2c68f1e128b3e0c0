"""A browser or a program at the WebSocket door of the real ASGI application, in this event loop."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from orkesta.asgi import application
from tenants.principals import Scope
from tests.callers import make_key
from tests.cast import House

SECONDS = 30.0


class Closed(Exception):
    """The server has closed the socket, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Socket:
    """One end of a WebSocket."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self._communicator = communicator
        self.subprotocol: str | None = None

    async def open(self) -> Self:
        is_open, self.subprotocol = await self._communicator.connect(timeout=SECONDS)
        assert is_open
        return self

    async def read(self, timeout: float = SECONDS) -> dict[str, Any]:
        message = await self._communicator.receive_output(timeout)
        if message["type"] == "websocket.close":
            raise Closed(message.get("code", 1000))
        frame: dict[str, Any] = json.loads(message["text"])
        return frame

    async def read_until(self, kind: str, **data: Any) -> list[dict[str, Any]]:
        """Frames up to the first of this type that has these data."""
        frames = []
        async with asyncio.timeout(SECONDS):
            while True:
                frames.append(await self.read())
                found = frames[-1]
                if found["type"] == kind and data.items() <= found["data"].items():
                    return frames

    async def read_refusal(self) -> tuple[str, int]:
        """The code of the error that is told, and the code of the close."""
        error = (await self.read_until("error"))[-1]
        try:
            await self.read()
        except Closed as closed:
            return error["data"]["code"], closed.code
        raise AssertionError("the socket is still open")

    async def is_silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for a while."""
        return bool(await self._communicator.receive_nothing(timeout=seconds, interval=0.02))

    async def say(self, **frame: Any) -> None:
        await self._communicator.send_json_to(frame)

    async def say_raw(self, text: str | None = None, binary: bytes | None = None) -> None:
        await self._communicator.send_to(text_data=text, bytes_data=binary)

    async def leave(self) -> None:
        await self._communicator.disconnect(timeout=SECONDS)


@asynccontextmanager
async def connect(
    path: str,
    *,
    key: str | None = None,
    subprotocols: list[str] | None = None,
    server: Any = application,
    **headers: str,
) -> AsyncIterator[Socket]:
    sent = {"host": "testserver", **headers}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    socket = Socket(WebsocketCommunicator(server, path, raw, subprotocols))
    await socket.open()
    try:
        yield socket
    finally:
        await socket.leave()


async def key_of(house: House, *scopes: str) -> str:
    return await sync_to_async(make_key)(house.tenant, scopes or tuple(Scope))
