"""An HTTP transport that calls an ASGI app in this process and streams what it sends.

`httpx2.ASGITransport` hands the body over only when the app has ended, so nothing could be seen
streaming, and a client that leaves could not stop the app.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final

import httpx2

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

#: An app that sends faster than the client reads waits after this many messages.
MAX_UNREAD: Final = 16
#: How long an app may take to clean up after it was cancelled.
CLEAN_UP_SECONDS: Final = 1.0


class ClientGone(OSError):
    """What an app's `send` raises when the client has closed the response (ASGI 3, HTTP)."""


class InProcessTransport(httpx2.AsyncBaseTransport):
    """Serves requests by `app`. The read timeout of a request bounds each wait for the app.

    Closing a response, or cancelling the wait for it, delivers `http.disconnect` to the app,
    cancels it and waits for it. An app that fails, or returns before its answer is whole, looks
    like a server that dropped the connection: httpx2.RemoteProtocolError from the app's exception.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        call = _Call(self._app, request, await request.aread())
        try:
            start = await call.next_message()
        except BaseException:
            await call.close()
            raise
        return httpx2.Response(
            start["status"], headers=start.get("headers", []), stream=_CallStream(call)
        )


class _CallStream(httpx2.AsyncByteStream):
    def __init__(self, call: "_Call") -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._call.next_message()
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def aclose(self) -> None:
        await self._call.close()


class _Call:
    """One run of the app, and the messages it has sent that nobody has read."""

    def __init__(self, app: ASGIApp, request: httpx2.Request, body: bytes) -> None:
        self._request = request
        self._body: bytes | None = body
        self._read_timeout = request.extensions.get("timeout", {}).get("read")
        self._messages: deque[Message] = deque()
        self._has_news = asyncio.Event()
        self._has_room = asyncio.Event()
        self._is_gone = asyncio.Event()
        self._task = asyncio.ensure_future(app(_scope_of(request), self._receive, self._send))
        self._task.add_done_callback(lambda _: self._has_news.set())

    async def next_message(self) -> Message:
        """The app's next message; waits for it no longer than the read timeout."""
        while not self._messages:
            if self._task.done():
                raise self._broken() from (
                    None if self._task.cancelled() else self._task.exception()
                )
            self._has_news.clear()
            try:
                async with asyncio.timeout(self._read_timeout):
                    await self._has_news.wait()
            except TimeoutError as exc:
                raise httpx2.ReadTimeout("", request=self._request) from exc
        self._has_room.set()
        return self._messages.popleft()

    async def close(self) -> None:
        self._is_gone.set()
        self._has_room.set()
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLEAN_UP_SECONDS)
        if self._task.done() and not self._task.cancelled():
            # Looked at, so that the loop does not complain: nobody is left whom it concerns.
            self._task.exception()

    def _broken(self) -> httpx2.RemoteProtocolError:
        return httpx2.RemoteProtocolError("The app ended early.", request=self._request)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        while len(self._messages) >= MAX_UNREAD and not self._is_gone.is_set():
            self._has_room.clear()
            await self._has_room.wait()
        if self._is_gone.is_set():
            raise ClientGone
        self._messages.append(message)
        self._has_news.set()


def _scope_of(request: httpx2.Request) -> dict[str, Any]:
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.split(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (url.host, url.port or 0),
        "client": ("127.0.0.1", 0),
    }
