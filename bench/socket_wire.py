"""A small WebSocket client (RFC 6455), so that the driver does not measure itself."""

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Any, Final, Self

import orjson

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA


class SocketFailed(ConnectionError):
    """The server refused the socket, or closed it."""


class EventSocket(asyncio.Protocol):
    """A socket whose JSON messages go to `on_event`, and whose end goes to `on_end`."""

    def __init__(
        self, on_event: Callable[[dict[str, Any]], None], on_end: Callable[[str], None]
    ) -> None:
        self._on_event = on_event
        self._on_end = on_end
        self._received = bytearray()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end = "the connection was lost"

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        path: str,
        *,
        key: str,
        on_event: Callable[[dict[str, Any]], None],
        on_end: Callable[[str], None],
    ) -> Self:
        """Connect and shake hands. Raises SocketFailed when the server will not."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(
            lambda: cls(on_event, on_end), host, port
        )
        protocol._transport = transport
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Authorization: Bearer {key}",
        ]
        transport.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        await protocol._opened
        return protocol

    def send(self, message: dict[str, Any]) -> None:
        self._send_frame(TEXT, orjson.dumps(message))

    def close(self) -> None:
        self._on_end = _nobody
        if not self._transport.is_closing():
            self._send_frame(CLOSE, (1000).to_bytes(2, "big"))
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._opened.done() and not self._shake_hands():
            return
        while (frame := self._next_frame()) is not None:
            self._handle(*frame)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(SocketFailed(self._end))
        self._on_end(self._end)

    def _shake_hands(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        status_line = bytes(self._received[: self._received.find(b"\r\n")])
        del self._received[: end + 4]
        if b" 101 " in status_line:
            self._opened.set_result(None)
            return True
        self._opened.set_exception(SocketFailed(status_line.decode()))
        self._transport.close()
        return False

    def _next_frame(self) -> tuple[int, bytes] | None:
        """The next whole frame; servers neither mask nor, here, fragment."""
        received = self._received
        if len(received) < 2:
            return None
        size, start = received[1] & 0x7F, 2
        if size == 126:
            size, start = int.from_bytes(received[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(received[2:10], "big"), 10
        if len(received) < start + size:
            return None
        frame = received[0] & 0x0F, bytes(received[start : start + size])
        del received[: start + size]
        return frame

    def _handle(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            event = orjson.loads(payload)
            if event["type"] == "ping":
                self.send({"type": "pong"})
            else:
                self._on_event(event)
        elif opcode == PING:
            self._send_frame(PONG, payload)
        elif opcode == CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else 1005
            self._end = f"the server closed the socket with {code} {payload[2:].decode()}".strip()
            self._transport.close()

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        """Client frames must be masked; the mask is zero, which leaves the payload as it is."""
        size = len(payload)
        if size < 126:
            head = bytes([0x80 | opcode, 0x80 | size])
        else:
            head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
        self._transport.write(head + b"\0\0\0\0" + payload)


def _nobody(end: str) -> None:
    """Nobody waits for the end any more."""
