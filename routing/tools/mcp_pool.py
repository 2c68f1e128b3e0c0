"""The sessions of one event loop with MCP servers: opened when first needed, shared, kept."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mcp.client import ClientSession

from orkesta.outbound import OutboundPolicy
from routing.tools.mcp_session import McpSession, McpTarget

R = TypeVar("R")

MAX_SESSIONS: Final = 200


class McpPool:
    """A session per target. Belongs to one event loop."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._sessions: OrderedDict[McpTarget, McpSession] = OrderedDict()

    async def ask(self, target: McpTarget, send: Callable[[ClientSession], Awaitable[R]]) -> R:
        """`McpSession.ask` on the open session with `target`, or on a new one."""
        session = self._sessions.get(target)
        if session is None or not session.is_usable:
            session = self._sessions[target] = McpSession(target, self._policy)
            await self._make_room()
        self._sessions.move_to_end(target)
        return await session.ask(send)

    async def drop(self, target: McpTarget) -> None:
        """Close the session with `target`; the next call opens another."""
        session = self._sessions.pop(target, None)
        if session is not None:
            await session.aclose()

    async def aclose(self) -> None:
        while self._sessions:
            await self.drop(next(iter(self._sessions)))

    async def _make_room(self) -> None:
        while len(self._sessions) > MAX_SESSIONS:
            await self.drop(next(iter(self._sessions)))
