"""The tools of a demo tenant: its MCP server, what that offers, and which agent may use what."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import mcp_types

from conversations.demo.access import shop_token
from conversations.demo.content import DemoContent
from orkesta.crypto import SecretUnreadable
from routing.models import Agent
from routing.server_models import McpServer
from routing.tool_models import AgentTool, Tool
from routing.tools.offers import apply_offers
from routing.tools.values import Risk
from tenants.models import Tenant
from tenants.services import touch_configuration

#: Where `python -m examples.ferreteria --port 8100` would be, until `serve --demo` says better.
USUAL_URL: Final = "http://127.0.0.1:8100/mcp"


def plant_tools(content: DemoContent, agents: Mapping[str, Agent]) -> None:
    """Write the server, the tools as the checked-in listing has them, and who may use them.

    From the listing, not from the server: seeding needs nothing that runs. The server offers
    exactly this, or its tools would go to quarantine at the first call. Needs the tenant's scope.
    """
    if content.server is None:
        return
    server = McpServer(slug=content.server.slug, name=content.server.name, url=USUAL_URL)
    server.set_secret(_credentials())
    server.save()
    offered = [mcp_types.Tool.model_validate(tool) for tool in content.server.offered]
    apply_offers(server=server, offered=offered, activate_new=True)
    approved = Tool.objects.filter(mcp_server=server, remote_name__in=content.server.approvals)
    approved.update(risk=Risk.APPROVAL)
    tools = {tool.remote_name: tool for tool in Tool.objects.filter(mcp_server=server)}
    for agent in content.agents:
        for name in agent.tools:
            AgentTool.objects.create(agent=agents[agent.slug], tool=tools[name])


def follow_shop(tenant: Tenant, slug: str, url: str) -> None:
    """Make the tenant's MCP server `slug` the one that listens at `url`, with its token of today.

    One that people have pointed to another machine is left alone, and so is one that they removed.
    Needs the tenant's scope.
    """
    row = McpServer.objects.filter(slug=slug).first()
    if row is None or urlsplit(row.url).hostname != "127.0.0.1" or _says_the_same(row, url):
        return
    row.url = url
    row.set_secret(_credentials())
    row.save(update_fields=["url", "sealed_secret", "secret_hint"])
    touch_configuration(tenant.id)


def _says_the_same(row: McpServer, url: str) -> bool:
    try:
        secret = row.secret.reveal()
    except SecretUnreadable:
        return False
    return (row.url, secret) == (url, _credentials())


def _credentials() -> str:
    return f"Bearer {shop_token()}"
