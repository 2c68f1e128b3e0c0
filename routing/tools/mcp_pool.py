"""The sessions of one event loop with MCP servers: opened when first needed, shared, kept."""

import asyncio
from collections import OrderedDict
from typing import Final

from orkesta.outbound import OutboundPolicy
from routing.tools.mcp_session import McpSession, McpTarget

MAX_SESSIONS: Final = 200


class McpPool:
    """A session per target. Belongs to one event loop."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._sessions: OrderedDict[McpTarget, McpSession] = OrderedDict()
        self._retired: set[McpSession] = set()

    def session(self, target: McpTarget) -> McpSession:
        """The open session with `target`, or a new one."""
        session = self._sessions.get(target)
        if session is None or not session.is_usable:
            session = self._sessions[target] = McpSession(target, self._policy)
            while len(self._sessions) > MAX_SESSIONS:
                oldest = next(iter(self._sessions))
                self.retire(oldest, self._sessions[oldest])
        self._sessions.move_to_end(target)
        return session

    def retire(self, target: McpTarget, session: McpSession) -> None:
        """Let the next call open another session; calls that are on this one go on."""
        if self._sessions.get(target) is session:
            del self._sessions[target]
        session.retire()
        self._retired = {one for one in self._retired if not one.is_closed} | {session}

    async def aclose(self) -> None:
        """Close everything; calls that are running are cut off."""
        sessions = [*self._sessions.values(), *self._retired]
        self._sessions.clear()
        self._retired.clear()
        await asyncio.gather(*(session.aclose() for session in sessions))
