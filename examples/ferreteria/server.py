"""The MCP server of the store, as an ASGI application."""

from typing import Final

from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp

from examples.ferreteria.guard import require_token
from examples.ferreteria.shop import Shop
from examples.ferreteria.tools import register_tools

PATH: Final = "/mcp"


def build_server(shop: Shop) -> MCPServer:
    server = MCPServer(
        name="ferreteria",
        title="Ferretería El Tornillo",
        instructions="Catálogo, pedidos, cobranza e inventario. Precios en MXN con IVA.",
        version="1.0",
        log_level="WARNING",
    )
    register_tools(server, shop)
    return server


def build_app(shop: Shop, *, token: str) -> ASGIApp:
    """Streamable HTTP at `/mcp` for whoever brings `token`.

    Without sessions: every request stands alone, so a restart of this process is noticed by nobody.
    """
    app = build_server(shop).streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, json_response=True
    )
    return require_token(app, token)
