"""Asking MCP servers what they offer, and one call of a tool, for people who wait for the answer.

These run an event loop of their own, so they are for threads: the admin's, the API's, commands'.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync

from orkesta.deferred import deferred
from routing.errors import ToolError
from routing.server_models import McpServer
from routing.tools.building import build_target
from routing.tools.connections import close_connections
from routing.tools.offers import SyncReport, apply_offers
from routing.tools.running import run_tool
from routing.tools.values import ToolContext, ToolResult, ToolSnapshot

if TYPE_CHECKING:
    from routing.tools import mcp
else:  # with the first server that is asked
    mcp = deferred("routing.tools.mcp")


def sync_server(*, server: McpServer, activate_new: bool = False) -> SyncReport:
    """Ask `server` what it offers, then `apply_offers`. Raises ToolError when it cannot be asked,
    and keeps the reason with the server.
    """
    try:
        found = async_to_sync(_offered)(server)
    except ToolError as exc:
        server.sync_error = exc.message[:500]
        server.save(update_fields=["sync_error"])
        raise
    return apply_offers(
        server=server, offered=found.tools, words=found.words, activate_new=activate_new
    )


async def _offered(server: McpServer) -> "mcp.Offered":
    try:
        return await mcp.offered_by(build_target(server))
    finally:
        await close_connections()


def run_once(
    *, tool: ToolSnapshot, arguments: Mapping[str, Any], context: ToolContext
) -> ToolResult:
    """`run_tool` for somebody who tries a tool by hand."""
    return async_to_sync(_run)(tool, arguments, context)


async def _run(
    tool: ToolSnapshot, arguments: Mapping[str, Any], context: ToolContext
) -> ToolResult:
    try:
        return await run_tool(tool, arguments, context)
    finally:
        await close_connections()
