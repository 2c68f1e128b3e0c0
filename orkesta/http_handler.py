"""Serves HTTP from a bounded pool of long-lived threads: one hop into a thread per request.

Django's own ASGI handler makes a thread for every request, and with it a new database connection,
and hops between loop and thread several times. Here each of a few threads keeps its connection, and
a request's middleware and view run in one of them as under WSGI. Only the bodies of streamed
responses are produced on the event loop, so an event stream holds no thread.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class PooledHandler(ASGIHandler):
    """An ASGI application for HTTP. Asynchronous views work; each occupies its thread meanwhile."""

    def __init__(self) -> None:
        # Past ASGIHandler's: that one would build the chain of middleware for the event loop.
        super(ASGIHandler, self).__init__()
        self.load_middleware(is_async=False)
        self._pool = ThreadPoolExecutor(settings.ORKESTA_REQUEST_THREADS, "request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            response = await self._in_pool(self._respond, scope, body)
            if isinstance(response, StreamingHttpResponse):
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)
        finally:
            body.close()

    def _respond(self, scope: Scope, body: SpooledTemporaryFile[bytes]) -> HttpResponseBase:
        """The whole of a request, in one thread, from `request_started` to `request_finished`."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        # There is a request, or else a refusal.
        response = cast(
            HttpResponseBase, refusal if request is None else self.get_response(request)
        )
        response._handler_class = type(self)  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            response.close()
        return response

    async def _stream(self, response: StreamingHttpResponse, receive: Receive, send: Send) -> None:
        """Send a body of any length; a client that goes away ends its generator."""
        if not response.is_async:
            response.streaming_content = self._pulled(iter(response.streaming_content))  # type: ignore[arg-type]
        sending = asyncio.ensure_future(self.send_response(response, send))
        listening = asyncio.ensure_future(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            sending.cancel()
            await asyncio.wait({sending, listening})
            await self._in_pool(response.close)
        if not sending.cancelled():
            sending.result()
        if not listening.cancelled():
            listening.exception()  # RequestAborted: it has been heard

    async def _pulled(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (chunk := await self._in_pool(next, chunks, None)) is not None:
            yield chunk

    async def _in_pool(self, unit: Callable[..., Any], *args: Any) -> Any:
        # asgiref's own way into an executor: context variables go along, and come back.
        return await sync_to_async(unit, thread_sensitive=False, executor=self._pool)(*args)
