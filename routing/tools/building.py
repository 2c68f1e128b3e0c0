"""From rows to snapshots: the tools of a tenant's agents, read in one query and compiled."""

import logging
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from orkesta.deferred import deferred
from orkesta.errors import OrkestaError
from routing.errors import ToolFailed
from routing.server_models import McpServer
from routing.tool_models import AgentTool, Tool
from routing.tools.builtin import BuiltinCaller, get_builtin
from routing.tools.http import HttpCaller
from routing.tools.mcp_target import McpTarget
from routing.tools.schema import compile_schema, hash_of
from routing.tools.values import Recovery, Risk, ToolCaller, ToolKind, ToolSnapshot

if TYPE_CHECKING:
    from routing.tools import mcp
else:  # only for tenants that have such tools
    mcp = deferred("routing.tools.mcp")

logger = logging.getLogger(__name__)


def read_tools(time_zone: str) -> dict[UUID, tuple[ToolSnapshot, ...]]:
    """The usable tools of each agent by its id, in order of their names. Needs the tenant's scope.

    A tool that is switched off, quarantined or gone from its server is not there.
    """
    rows = AgentTool.objects.filter(
        tool__is_active=True, tool__is_quarantined=False, tool__is_missing=False
    )
    built: dict[UUID, ToolSnapshot | None] = {}
    by_agent: dict[UUID, list[ToolSnapshot]] = defaultdict(list)
    for row in rows.select_related("tool", "tool__mcp_server").order_by("tool__name"):
        if row.tool_id not in built:
            built[row.tool_id] = _snapshot(row.tool, time_zone)
        if (tool := built[row.tool_id]) is not None:
            by_agent[row.agent_id].append(tool)
    return {agent_id: tuple(tools) for agent_id, tools in by_agent.items()}


def _snapshot(row: Tool, time_zone: str) -> ToolSnapshot | None:
    # One broken row must not silence the whole tenant: it is left out, and the log says so.
    try:
        return build_tool(row, time_zone)
    except OrkestaError as exc:
        logger.error("tool %s cannot be used: %s", row.pk, exc)
        return None


def build_tool(row: Tool, time_zone: str) -> ToolSnapshot:
    """`row` ready to be run. Raises SchemaInvalid, ToolFailed, SecretUnreadable."""
    output = row.output_schema
    return ToolSnapshot(
        name=row.name,
        description=row.description,
        parameters=row.parameters,
        risk=Risk(row.risk),
        recovery=Recovery(row.recovery),
        timeout_seconds=row.timeout_seconds,
        schema_hash=hash_of(row.name, row.description, row.parameters),
        caller=_caller(row, time_zone),
        kind=ToolKind(row.kind),
        checker=compile_schema(row.parameters),
        output_checker=compile_schema(output) if output else None,
        server_id=row.mcp_server_id,
    )


def _caller(row: Tool, time_zone: str) -> ToolCaller:
    if row.kind == ToolKind.BUILTIN:
        return BuiltinCaller(get_builtin(row.builtin), time_zone)
    if row.kind == ToolKind.HTTP:
        return HttpCaller(replace(row.plan, secret=row.secret))
    if row.mcp_server is None or not row.mcp_server.is_active:
        raise ToolFailed(f"The MCP server of {row.name} is switched off.")
    target = build_target(row.mcp_server)
    return mcp.McpCaller(target, row.remote_name, row.pk, row.pinned_hash)


def build_target(row: McpServer) -> McpTarget:
    """The server in `row`. Raises SecretUnreadable."""
    is_command = row.transport == McpServer.Transport.STDIO
    return McpTarget(
        tenant_id=row.tenant_id,
        server_id=row.pk,
        name=row.name,
        slug=row.slug,
        url="" if is_command else row.url,
        command=tuple(map(str, row.command)) if is_command else (),
        secret_header=row.secret_header,
        secret=row.secret,
        timeout_seconds=row.timeout_seconds,
    )
