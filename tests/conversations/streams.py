"""A reader of server-sent events at the HTTP door of the real ASGI application."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from asgiref.testing import ApplicationCommunicator

from orkesta.asgi import application

SECONDS = 30.0


@dataclass
class Event:
    """One event as the HTML Standard parses it."""

    id: str
    kind: str
    frame: dict[str, Any]


class StreamReader:
    def __init__(self, communicator: ApplicationCommunicator) -> None:
        self._communicator = communicator
        self._buffer = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.comments: list[str] = []
        self.is_over = False

    async def open(self) -> None:
        await self._communicator.send_input({"type": "http.request", "body": b""})
        start = await self._communicator.receive_output(SECONDS)
        self.status = start["status"]
        self.headers = {k.decode().lower(): v.decode() for k, v in start["headers"]}

    async def read(self) -> Event | None:
        """The next event; None at the end of the body."""
        while True:
            while b"\n\n" not in self._buffer:
                if not await self._more():
                    return None
            block, _, self._buffer = self._buffer.partition(b"\n\n")
            fields = dict(line.partition(": ")[::2] for line in block.decode().split("\n"))
            if "data" in fields:
                return Event(fields["id"], fields["event"], json.loads(fields["data"]))
            self.comments.append(block.decode())

    async def read_all(self) -> list[Event]:
        events = []
        async with asyncio.timeout(SECONDS):
            while (event := await self.read()) is not None:
                events.append(event)
        return events

    async def read_body(self) -> bytes:
        while await self._more():
            pass
        return self._buffer

    async def leave(self) -> None:
        """Close the connection, as a browser does whose page is gone."""
        if not self.is_over:
            await self._communicator.send_input({"type": "http.disconnect"})
        await self._communicator.wait(SECONDS)

    async def _more(self) -> bool:
        if self.is_over:
            return False
        message = await self._communicator.receive_output(SECONDS)
        self._buffer += message.get("body", b"")
        self.is_over = not message.get("more_body", False)
        return True


@asynccontextmanager
async def follow(
    path: str, *, key: str | None = None, method: str = "GET", **headers: str
) -> AsyncIterator[StreamReader]:
    sent = {"host": "testserver", "accept": "text/event-stream", **headers}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    place, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": place,
        "query_string": query.encode(),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()],
    }
    reader = StreamReader(ApplicationCommunicator(application, scope))
    await reader.open()
    try:
        yield reader
    finally:
        await reader.leave()
