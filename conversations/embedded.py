"""The embedded set-up: the web server and a worker in one process, on one event loop."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from typing import Any, Final

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import twisted_loop
from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from twisted.internet.defer import Deferred

from conversations import live
from conversations.engine.claims import expire_leases
from conversations.engine.worker import Worker
from conversations.patient_server import PatientServer
from conversations.triggers.beside import triggers_running
from orkesta.database import in_thread
from orkesta.errors import Unavailable
from routing.tools.connections import close_connections

logger = logging.getLogger(__name__)

#: Seconds that running requests get to end by themselves, and running tasks to reach their end.
GRACE_SECONDS: Final = 2.0
DRAIN_SECONDS: Final = 5.0
#: Connections that may wait to be accepted. Twisted's 50 are few: of 1,000 clients that came at
#: once, those that found no place tried again after 1, 3, 7, … 31 s.
BACKLOG: Final = 2048
#: Close code "service restart" (IANA registry of RFC 6455): come back, nothing is wrong with you.
SERVICE_RESTART: Final = 1012
MAX_FRAME_BYTES: Final = 64 * 1024
CLOSED_STATES: Final = (WebSocketProtocol.STATE_CLOSING, WebSocketProtocol.STATE_CLOSED)


class ListenRefused(Unavailable):
    """The address to listen on cannot be had."""

    code = "listen_refused"


class EmbeddedServer(PatientServer):
    """daphne with a worker beside it.

    The first SIGINT or SIGTERM ends it in order: no new connections, sockets closed with 1012,
    running requests finished, the worker drained. A second one ends it at once.
    """

    def __init__(
        self, application: Any, *, host: str, port: int, announce: Callable[[], None]
    ) -> None:
        super().__init__(
            application,
            endpoints=[
                f"{endpoint}:backlog={BACKLOG}"
                for endpoint in build_endpoint_description_strings(host=host, port=port)
            ],
            signal_handlers=False,
            ping_interval=settings.ORKESTA_PING_INTERVAL_SECONDS,
            ping_timeout=settings.ORKESTA_PING_TIMEOUT_SECONDS,
            websocket_max_message_size=MAX_FRAME_BYTES,
            websocket_max_frame_size=MAX_FRAME_BYTES,
            ready_callable=self._begin,
            server_name="orkesta",
        )
        self._announce = announce
        self._worker: Worker | None = None
        self._working: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._is_ending = False

    def serve(self) -> None:
        """Serve until a signal ends it. Raises ListenRefused, or whatever ended the worker."""
        self.run()
        if self._failure is not None:
            raise self._failure

    # --- Begin --------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Called by daphne when it listens and the loop is about to run."""
        for number in (signal.SIGINT, signal.SIGTERM):
            twisted_loop.add_signal_handler(number, self._on_signal, number)
        # Whoever sends a frame that is too large hears 1009; else the connection is only cut.
        self.ws_factory.setProtocolOptions(failByDrop=False)
        self._working = twisted_loop.create_task(self._work())
        self._working.add_done_callback(self._on_worker_gone)

    async def _work(self) -> None:
        live.bind_loop()
        if settings.IS_SQLITE:  # no other process is there: whoever held a lease is dead
            await in_thread(expire_leases)
        self._worker = Worker()
        self._announce()
        async with triggers_running():
            await self._worker.run_forever()

    def listen_error(self, failure: Any) -> None:
        self._failure = ListenRefused(failure.getErrorMessage())
        self.stop()

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """A frame for a socket whose close has been sent goes nowhere, as ASGI says it should;
        autobahn would raise.
        """
        if isinstance(protocol, WebSocketProtocol) and protocol.state in CLOSED_STATES:
            return
        await super().handle_reply(protocol, message)

    # --- End ----------------------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        if self._is_ending:
            os._exit(128 + number)
        self._is_ending = True
        self.stop()

    def _on_worker_gone(self, working: asyncio.Task[None]) -> None:
        """A server without its worker would accept messages that nobody answers."""
        if not working.cancelled() and working.exception() is not None:
            self._failure = working.exception()
            self.stop()

    def kill_all_applications(self) -> Deferred[None]:
        """Called by daphne before it stops, which waits for what this returns."""
        return Deferred.fromFuture(asyncio.ensure_future(self._wind_down()))

    async def _wind_down(self) -> None:
        for listener in self.listeners:
            listener.addCallback(lambda port: port.stopListening())
        draining = asyncio.ensure_future(self._drain())
        for protocol in tuple(self.connections):
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                protocol.sendCloseFrame(code=SERVICE_RESTART)
        await self._end_requests()
        await draining

    async def _end_requests(self) -> None:
        found = [details.get("application_instance") for details in self.connections.values()]
        running = [request for request in found if request is not None and not request.done()]
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=GRACE_SECONDS)
        for request in late:
            request.cancel()
        if late:
            await asyncio.wait(late, timeout=GRACE_SECONDS)

    async def _drain(self) -> None:
        if self._worker is None or self._working is None:
            return
        await self._worker.drain(timeout_seconds=DRAIN_SECONDS)
        await asyncio.wait([self._working])
        await self._worker.gateway.aclose()
        await close_connections()
