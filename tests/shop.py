"""The demo's MCP server as a real process, and the real client on it."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from orkesta.env import PROJECT_ROOT

TOKEN = "a-token-of-the-tests"


@dataclass(frozen=True)
class RunningShop:
    """The server, and how to speak with it."""

    process: subprocess.Popen[str]
    url: str
    token: str

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False) as http,
            Client(streamable_http_client(self.url, http_client=http)) as client,
        ):
            yield client

    async def call(
        self, name: str, *, key: str = "", user: str = "", **arguments: Any
    ) -> CallToolResult:
        said = {"orkesta.dev/idempotency-key": key, "orkesta.dev/user": user}
        meta: Any = {name: value for name, value in said.items() if value}
        async with self.client() as client:
            return await client.call_tool(name, arguments, meta=meta)

    async def ask(self, name: str, *, key: str = "", user: str = "", **arguments: Any) -> Any:
        """What the tool answers; it must not refuse."""
        result = await self.call(name, key=key, user=user, **arguments)
        assert not result.is_error, result.content
        return result.structured_content


@contextmanager
def run_shop(data: Path, *, token: str = TOKEN) -> Iterator[RunningShop]:
    """The server on this data file, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "examples.ferreteria", "--data", data, "--ends-with-parent"],
        cwd=PROJECT_ROOT,
        env=os.environ | {"FERRETERIA_TOKEN": token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield RunningShop(process, process.stdout.readline().strip(), token)
        finally:
            process.kill()
