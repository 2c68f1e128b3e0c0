"""JSON messages over a stream socket: four bytes of length, then the body."""

import json
import socket
import struct
import time
from typing import Any

# Above anything either side has reason to send: 1 Mi characters, six bytes each when escaped.
LARGEST_BYTES = 16 * 1024 * 1024

_LENGTH = struct.Struct(">I")


def send_frame(connection: socket.socket, message: Any, *, deadline: float | None = None) -> None:
    """Sends `message`; raises TimeoutError at `deadline` (time.monotonic), OSError when cut off."""
    body = json.dumps(message).encode()
    _limit(connection, deadline)
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive_frame(connection: socket.socket, *, deadline: float | None = None) -> Any:
    """The next message; raises TimeoutError at `deadline`, ConnectionError when there is none."""
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size, deadline))
    if length > LARGEST_BYTES:
        raise ConnectionError("the message is too long")
    return json.loads(_receive(connection, length, deadline))


def _receive(connection: socket.socket, length: int, deadline: float | None) -> bytes:
    received = bytearray()
    while len(received) < length:
        _limit(connection, deadline)
        part = connection.recv(min(65_536, length - len(received)))
        if not part:
            raise ConnectionError("the other side has gone")
        received += part
    return bytes(received)


def _limit(connection: socket.socket, deadline: float | None) -> None:
    if deadline is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
