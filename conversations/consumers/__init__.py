"""The WebSocket doors. Each is a plain ASGI application; `orkesta.asgi` gives them their paths.

They are not built on Channels' consumer classes: these listen to the channel layer once per socket
and hop through a thread for every frame. Here one hub listens for all sockets of the process.
"""

from conversations.consumers.session_socket import SessionSocket
from conversations.consumers.unknown_address import unknown_address

__all__ = ["SessionSocket", "unknown_address"]
