"""daphne that waits for slow readers.

daphne hands every message to Twisted, which buffers without end what a client does not read. But
Twisted tells a "producer" when its buffer is full and when it has drained; here the application's
`send` waits in between, as it does under uvicorn. Whoever sends can then give up on a client.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer  # type: ignore[import-untyped]


@implementer(IPushProducer)
class Valve:
    """Open while the transport takes more."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()
        self._is_open.set()

    def pauseProducing(self) -> None:
        self._is_open.clear()

    def resumeProducing(self) -> None:
        self._is_open.set()

    def stopProducing(self) -> None:
        """The connection is lost: nobody need wait any more."""
        self._is_open.set()

    async def wait(self) -> None:
        if not self._is_open.is_set():
            await self._is_open.wait()


class PatientServer(Server):  # type: ignore[misc]
    """Makes `send` wait: after each WebSocket frame, and after each part of a streamed body."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._valves: WeakKeyDictionary[Any, Valve] = WeakKeyDictionary()

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        is_body = message["type"] == "http.response.body"
        if is_body and not message.get("more_body", False) and protocol in self._valves:
            del self._valves[protocol]
            protocol.unregisterProducer()
        await super().handle_reply(protocol, message)
        if message["type"] == "websocket.send" or (is_body and message.get("more_body", False)):
            await self._valve(protocol).wait()

    def _valve(self, protocol: Any) -> Valve:
        valve = self._valves.get(protocol)
        if valve is None:
            valve = self._valves[protocol] = Valve()
            if isinstance(protocol, WebSocketProtocol):
                # The HTTP channel that was upgraded is still registered, and has no use for it.
                protocol.transport.unregisterProducer()
                protocol.transport.registerProducer(valve, True)
            else:
                protocol.registerProducer(valve, True)
        return valve
