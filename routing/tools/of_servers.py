"""The tools of MCP agents: all that their server offers, and that somebody has let in."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from uuid import UUID

from orkesta.errors import OrkestaError
from routing.tool_models import Tool
from routing.tools.building import build_tool
from routing.tools.values import ToolSnapshot

logger = logging.getLogger(__name__)


def read_server_tools(
    server_ids: Collection[UUID], time_zone: str
) -> dict[UUID, tuple[ToolSnapshot, ...]]:
    """The usable tools of each server by its id, in order of their names; no query without servers.
    Needs the tenant's scope.

    A tool that is switched off, quarantined or gone from its server is not there.
    """
    if not server_ids:
        return {}
    rows = Tool.objects.filter(
        mcp_server_id__in=server_ids, is_active=True, is_quarantined=False, is_missing=False
    )
    found: dict[UUID, list[ToolSnapshot]] = defaultdict(list)
    for row in rows.select_related("mcp_server").order_by("name"):
        try:
            tool = build_tool(row, time_zone)
        except OrkestaError as exc:
            logger.error("tool %s cannot be used: %s", row.pk, exc)
            continue
        if row.mcp_server is not None:
            found[row.mcp_server.pk].append(tool)
    return {server_id: tuple(tools) for server_id, tools in found.items()}


def servers_of(tools: Iterable[ToolSnapshot]) -> set[UUID]:
    """The servers whose tools these are."""
    return {tool.server_id for tool in tools if tool.server_id is not None}


def with_server_tools(
    own: tuple[ToolSnapshot, ...], of_server: tuple[ToolSnapshot, ...]
) -> tuple[ToolSnapshot, ...]:
    """Both, each name once."""
    names = {tool.name for tool in own}
    return (*own, *(tool for tool in of_server if tool.name not in names))
