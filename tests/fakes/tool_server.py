"""A shop's HTTP API, as tools call it, on a real socket: it remembers what it was asked.

`say(*answers)` queues what it says next, each a status, a body and headers; without any it tells
the request back. `GET /calls/<key>` tells what became of the call with that Idempotency-Key.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.asgi_server import serve_asgi


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


@dataclass
class ToolServer:
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: deque[tuple[int, bytes, dict[str, str]]] = field(default_factory=deque)
    #: While there is one, answers wait for it.
    held: asyncio.Event | None = None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, body, named))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        target = scope["raw_path"].decode()
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        request = Asked(scope["method"], target, headers, body)
        status, answer, told = self._answer(request)
        self.asked.append(request)
        if self.held is not None:
            await self.held.wait()
        raw = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, request: Asked) -> tuple[int, bytes, dict[str, str]]:
        as_json = {"content-type": "application/json"}
        if self.answers:
            status, body, headers = self.answers.popleft()
            return status, body, as_json | headers
        if request.method == "GET" and request.target.startswith("/calls/"):
            key = request.target.removeprefix("/calls/").replace("%3A", ":")
            known = [one for one in self.asked if one.headers.get("idempotency-key") == key]
            return (200, b'{"state": "done"}', as_json) if known else (404, b"{}", as_json)
        told = {"method": request.method, "target": request.target, "headers": request.headers}
        return 200, json.dumps(told).encode(), as_json


@asynccontextmanager
async def serve_tools() -> AsyncIterator[ToolServer]:
    server = ToolServer()
    async with serve_asgi(server) as server.port:
        yield server
