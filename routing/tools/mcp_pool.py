"""The sessions of one event loop with MCP servers: opened when first needed, shared, kept."""

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from orkesta.deferred import deferred
from orkesta.outbound import OutboundPolicy
from routing.tools.mcp_target import McpTarget

if TYPE_CHECKING:
    from routing.tools import mcp_session
else:  # with the first server that is asked
    mcp_session = deferred("routing.tools.mcp_session")

MAX_SESSIONS: Final = 200


class McpPool:
    """A session per target. Belongs to one event loop."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._sessions: OrderedDict[McpTarget, mcp_session.McpSession] = OrderedDict()
        self._retired: set[mcp_session.McpSession] = set()

    def session(self, target: McpTarget) -> "mcp_session.McpSession":
        """The open session with `target`, or a new one."""
        session = self._sessions.get(target)
        if session is None or not session.is_usable:
            session = self._sessions[target] = mcp_session.McpSession(target, self._policy)
            while len(self._sessions) > MAX_SESSIONS:
                oldest = next(iter(self._sessions))
                self.retire(oldest, self._sessions[oldest])
        self._sessions.move_to_end(target)
        return session

    def retire(self, target: McpTarget, session: "mcp_session.McpSession") -> None:
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
