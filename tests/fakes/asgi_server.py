"""An ASGI app on loopback, in the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


@asynccontextmanager
async def serve_asgi(app: Any, *, port: int = 0) -> AsyncIterator[int]:
    """Serve `app`, lifespan included, on `port` of 127.0.0.1, or a free one; yields the port."""
    # The protocol is named, or asyncio does not see that it is TCP and lets small answers wait.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        server = _Server(uvicorn.Config(app, log_level="error", lifespan="auto", ws="none"))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        await server.is_ready.wait()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            server.force_exit = True
            await serving
