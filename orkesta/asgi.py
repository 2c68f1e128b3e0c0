"""The door of the server: HTTP goes to Django, WebSockets to the consumers. Serves under daphne and
under uvicorn.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orkesta.settings")
django.setup(set_prefix=False)

# Models can be imported only now.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.urls import re_path  # noqa: E402

from conversations import live  # noqa: E402
from conversations.connection_share import share_connections  # noqa: E402
from conversations.consumers import SessionSocket, unknown_address  # noqa: E402
from orkesta.checks import refuse_unsound_settings  # noqa: E402
from orkesta.http_handler import PooledHandler, Receive, Scope, Send  # noqa: E402
from orkesta.single_process import DatabaseInUse, stay_sole_process  # noqa: E402

_handler = PooledHandler()
sockets = URLRouter(
    [
        re_path(r"^ws/(?P<tenant>[^/]+)/(?P<session>[^/]+)/?$", SessionSocket.serve),  # type: ignore[arg-type]
        re_path(r"", unknown_address),  # type: ignore[arg-type]
    ]
)


def _begin() -> None:
    """What needs the server's event loop. Cheap the second time."""
    live.bind_loop()
    share_connections()


async def _http(scope: Scope, receive: Receive, send: Send) -> None:
    _begin()
    await _handler(scope, receive, send)


async def _websocket(scope: Scope, receive: Receive, send: Send) -> None:
    _begin()
    await sockets(scope, receive, send)


async def _lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Servers that announce their start (uvicorn does, daphne does not) are answered."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                refuse_unsound_settings()
                stay_sole_process()
            except (ImproperlyConfigured, DatabaseInUse) as exc:
                await send({"type": "lifespan.startup.failed", "message": str(exc)})
                return
            _begin()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


application = ProtocolTypeRouter({"http": _http, "websocket": _websocket, "lifespan": _lifespan})
