"""MCP servers on real sockets: an honest one, and one that misbehaves on request.

`HostileMcp.behave` names what it does with `tools/call`, or with `tools/list` where the name says
so; everything else it answers as a server of the handshake era does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mcp.server import MCPServer

from tests.fakes.asgi_server import serve_asgi

DRIP_SECONDS = 0.02


@dataclass
class Shelf:
    """What the honest server sells, and `says` of itself; a test changes `description` to pull the
    rug.
    """

    description: str = "The price of an article."
    says: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

    def server(self) -> MCPServer:
        server: MCPServer = MCPServer("shop", instructions=self.says or None)

        async def price(sku: str, quantity: int = 1) -> dict[str, Any]:
            self.calls.append({"sku": sku, "quantity": quantity})
            return {"sku": sku, "total": quantity * 2.5}

        async def fail() -> str:
            raise ValueError("nothing left")

        server.add_tool(price, name="price", description=self.description)
        server.add_tool(fail, name="fail", description="Fails.")
        return server


@asynccontextmanager
async def serve_shelf(shelf: Shelf, *, is_stateless: bool = False) -> AsyncIterator[str]:
    """The URL of an honest server."""
    app = shelf.server().streamable_http_app(stateless_http=is_stateless)
    async with serve_asgi(app) as port:
        yield f"http://127.0.0.1:{port}/mcp"


@dataclass
class HostileMcp:
    """`times`: how often it misbehaves before it answers as it should; None for always."""

    behave: str = "ok"
    times: int | None = None
    asked: list[str] = field(default_factory=list)
    metas: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] != "POST":
            await _answer(send, 405, b"")
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        request = json.loads(body)
        method = request.get("method", "")
        self.asked.append(method)
        self.metas.append(request.get("params", {}).get("_meta", {}))
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        is_its_turn = method == ("tools/list" if "list" in self.behave else "tools/call")
        if is_its_turn and self.behave != "ok" and self.times != 0:
            self.times = None if self.times is None else self.times - 1
            await BEHAVIOURS[self.behave](request, send, self)
        else:
            await _honest(request, send)


@asynccontextmanager
async def serve_hostile(server: HostileMcp) -> AsyncIterator[str]:
    async with serve_asgi(server) as port:
        yield f"http://127.0.0.1:{port}/mcp"


Behaviour = Callable[[dict[str, Any], Any, HostileMcp], Awaitable[None]]
TOOL = {"name": "price", "description": "The price.", "inputSchema": {"type": "object"}}


async def _honest(request: dict[str, Any], send: Any) -> None:
    results: dict[str, dict[str, Any]] = {
        "initialize": {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "hostile", "version": "1"},
        },
        "tools/list": {"tools": [TOOL]},
        "tools/call": {"content": [{"type": "text", "text": "fine"}]},
    }
    if "id" not in request:
        await _answer(send, 202, b"")
    elif request["method"] in results:
        await _result(request, send, results[request["method"]])
    else:
        await _error(request, send, -32601, "Method not found")


async def _answer(
    send: Any, status: int, body: bytes, kind: str = "application/json", **more: str
) -> None:
    headers = [(b"content-type", kind.encode())]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _result(request: dict[str, Any], send: Any, result: Any) -> None:
    reply = {"jsonrpc": "2.0", "id": request.get("id"), "result": result}
    await _answer(send, 200, json.dumps(reply).encode())


async def _error(request: dict[str, Any], send: Any, code: int, message: str) -> None:
    error = {"code": code, "message": message}
    reply = {"jsonrpc": "2.0", "id": request.get("id"), "error": error}
    await _answer(send, 200, json.dumps(reply).encode())


def answers(status: int, body: bytes, kind: str = "application/json", **more: str) -> Behaviour:
    async def behave(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
        await _answer(send, status, body, kind, **more)

    return behave


def results(result: Any) -> Behaviour:
    async def behave(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
        await _result(request, send, result)

    return behave


def streams(piece: bytes, *, is_endless: bool) -> Behaviour:
    async def behave(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while is_endless:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(DRIP_SECONDS)
        await send({"type": "http.response.body", "body": piece})

    return behave


async def _hang(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
    await asyncio.Event().wait()


async def _close(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"json', "more_body": True})


async def _huge(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(1_000):
        await send({"type": "http.response.body", "body": b" " * 65_536, "more_body": True})
        await asyncio.sleep(0)


async def _echo(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
    await _error(request, send, -32000 - 50, f"you sent {server.headers[-1]}")


async def _echo_result(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
    told = {"you sent": server.headers[-1]}
    text = {"type": "text", "text": json.dumps(told)}
    await _result(request, send, {"content": [text], "structuredContent": told})


async def _invalid_params(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
    await _error(request, send, -32602, "sku is unknown")


async def _endless_list(request: dict[str, Any], send: Any, server: HostileMcp) -> None:
    await _result(request, send, {"tools": [], "nextCursor": "again"})


MANY = [TOOL | {"name": f"tool_{number}"} for number in range(2_000)]
DEEP = b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
BEHAVIOURS: dict[str, Behaviour] = {
    "hang": _hang,
    "close": _close,
    "huge": _huge,
    "echo": _echo,
    "echo_result": _echo_result,
    "invalid_params": _invalid_params,
    "garbage": answers(200, b"\x00\x01 this is not JSON"),
    "not_rpc": answers(200, b'{"hello": "world"}'),
    "deep": answers(200, DEEP),
    "html": answers(200, b"<html>login</html>", "text/html"),
    "empty": answers(200, b""),
    "accepted": answers(202, b""),
    "busy": answers(429, b"later", "text/plain", retry_after="7"),
    "soon": answers(429, b"soon", "text/plain", retry_after="0"),
    "gateway": answers(502, b"<html>", "text/html"),
    "unavailable": answers(503, b"", "text/plain"),
    "list_gateway": answers(502, b"<html>", "text/html"),
    "broken": answers(500, b"oops", "text/html"),
    "refused": answers(401, b"who are you", "text/plain"),
    "redirect": answers(307, b"", location="http://127.0.0.1:1/mcp"),
    "metadata": answers(307, b"", location="http://169.254.169.254/"),
    "wrong_result": results({"content": "text"}),
    "input_required": results({"resultType": "input_required", "inputRequests": {}}),
    "error_result": results({"content": [{"type": "text", "text": "no stock"}], "isError": True}),
    "unstorable": results({"content": [{"type": "text", "text": "a\x00b"}]}),
    "long": results({"content": [{"type": "text", "text": "x" * 200_000}]}),
    "comments": streams(b": still here\n\n", is_endless=True),
    "broken_stream": streams(b"data: {oops\n\n", is_endless=False),
    "empty_stream": streams(b"", is_endless=False),
    "list_hang": _hang,
    "list_huge": _huge,
    "list_many": results({"tools": MANY}),
    "list_endless": _endless_list,
    "list_garbage": answers(200, b"\x00"),
    "list_wrong": results({"tools": [{"name": 5}]}),
}
