"""`python -m examples.ferreteria`: the store's MCP server on this machine."""

import argparse
import asyncio
import json
import os
import secrets
import socket
from pathlib import Path
from typing import Final

import uvicorn

from examples.ferreteria.guard import call_when_parent_is_gone
from examples.ferreteria.server import PATH, build_app, build_server
from examples.ferreteria.shop import Shop

HOST: Final = "127.0.0.1"
TOKEN_VARIABLE: Final = "FERRETERIA_TOKEN"
DATA: Final = Path("var/ferreteria.sqlite3")
#: Seconds that running requests get to end by themselves.
GRACE_SECONDS: Final = 2


def main() -> None:
    options = _options()
    if options.list:
        print(asyncio.run(_listing(Shop(options.data))))
        return
    if options.stdio:
        shop = Shop(options.data)
        shop.prepare()
        asyncio.run(build_server(shop).run_stdio_async())
        return
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    shop = Shop(options.data)
    shop.prepare()
    server = uvicorn.Server(
        uvicorn.Config(
            build_app(shop, token=token),
            log_level="warning",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    if options.ends_with_parent:
        call_when_parent_is_gone(lambda: setattr(server, "should_exit", True))
    # Bound before it is announced, so that whoever reads the line can connect.
    with _listener(options) as listener:
        print(f"http://{HOST}:{listener.getsockname()[1]}{PATH}", flush=True)
        if TOKEN_VARIABLE not in os.environ:
            print(f"Authorization: Bearer {token}", flush=True)
        server.run(sockets=[listener])


def _listener(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    return socket.create_server((HOST, options.port))


async def _listing(shop: Shop) -> str:
    """What `tools/list` answers, as JSON for people to read."""
    tools = [
        tool.model_dump(mode="json", by_alias=True, exclude_none=True)
        for tool in await build_server(shop).list_tools()
    ]
    return json.dumps({"tools": tools}, ensure_ascii=False, indent=1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.ferreteria",
        description=f"{__doc__} Its token is read from {TOKEN_VARIABLE}; without one it makes one.",
    )
    parser.add_argument("--port", type=int, default=0, help="Port to listen on (0: a free one).")
    parser.add_argument("--fd", type=int, help="A socket of the parent's to listen on instead.")
    parser.add_argument("--data", type=Path, default=DATA, help=f"Its data file ({DATA}).")
    parser.add_argument(
        "--ends-with-parent", action="store_true", help="End when standard input ends."
    )
    parser.add_argument(
        "--stdio", action="store_true", help="Speak over standard input and output, without a port."
    )
    parser.add_argument("--list", action="store_true", help="Print what it offers, and end.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
