"""What tools keep open between calls, per event loop: connections, and sessions with MCP servers.

Pools belong to the loop they were opened on. Whoever ends a loop that called tools closes them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import httpx2

from orkesta.outbound import configured_policy, open_client
from routing.tools.mcp_pool import McpPool

#: Longer than any tool may take: each call has a limit of its own.
LONGEST_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class ToolConnections:
    http: httpx2.AsyncClient
    mcp: McpPool

    async def aclose(self) -> None:
        await self.mcp.aclose()
        await self.http.aclose()


def _open() -> ToolConnections:
    policy = configured_policy()
    return ToolConnections(open_client(policy, timeout_seconds=LONGEST_SECONDS), McpPool(policy))


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, ToolConnections] = WeakKeyDictionary()


def tool_connections(opener: Callable[[], ToolConnections] = _open) -> ToolConnections:
    """The connections of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        _of_loops[loop] = opener()
    return _of_loops[loop]


async def close_connections() -> None:
    """Close what tools have opened on the running loop; calls still running are cut off."""
    found = _of_loops.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.aclose()
