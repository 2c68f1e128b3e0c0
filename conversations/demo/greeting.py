"""What `manage.py serve` says when it is ready: one thing per line, the same at every start, so
that people can copy it and scripts can read it.
"""

import json
import sys
from pathlib import Path
from typing import Final

from conversations.demo.access import find_access
from conversations.demo.content import SLUGS
from orkesta.checks import ANY_ADDRESS
from orkesta.env import PROJECT_ROOT

QUESTION: Final = "Necesito 10 tubos PVC de 1/2"
CLIENT: Final = "examples/client/reconnecting_client.py"


def base_url(host: str, port: int) -> str:
    """Where a person on this machine reaches a server that listens on `host` and `port`."""
    name = "127.0.0.1" if host in ANY_ADDRESS else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def ready_lines(host: str, port: int, *, shop_url: str = "") -> list[str]:
    """The lines; those about the demo tenant, and its MCP server, only where there is one."""
    url = base_url(host, port)
    lines = [f"Orkesta is running at {url}"]
    access = find_access(SLUGS[0])
    if access is None:
        return [*lines, f"Admin   {url}/admin/"]
    body = json.dumps({"message": QUESTION}, ensure_ascii=False)
    socket = f"{url.replace('http', 'ws', 1)}/ws/{access.tenant}/<session_id>"
    return [
        *lines,
        f"Admin   {url}/admin/   user {access.username}   password {access.password}",
        f"Tenant  {access.tenant}",
        f"API key {access.api_key}",
        *(
            [f"Tools   {shop_url}   MCP server of the demo (examples/ferreteria)"]
            if shop_url
            else []
        ),
        f"curl -s {url}/api/v1/chat/send -H 'Authorization: Bearer {access.api_key}'"
        f" -H 'Content-Type: application/json' -d '{body}'",
        f"{_python()} {CLIENT} --url {url} --key {access.api_key} '{QUESTION}'   # {socket}",
    ]


def _python() -> str:
    """This interpreter, as short as it can be written from the project's folder."""
    here = Path(sys.executable)
    return str(here.relative_to(PROJECT_ROOT) if here.is_relative_to(PROJECT_ROOT) else here)
