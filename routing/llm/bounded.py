"""Error bodies cut to a size: the SDK reads them whole, and a hostile server's never end."""

from collections.abc import AsyncIterator
from typing import Final

import httpx2

MAX_ERROR_BYTES: Final = 64 << 10


class BoundedErrors(httpx2.AsyncBaseTransport):
    """Passes requests to `inner`; of answers with status 400 and up only the head comes back."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.status_code >= 400 and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Head(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Head(httpx2.AsyncByteStream):
    def __init__(self, whole: httpx2.AsyncByteStream) -> None:
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ERROR_BYTES
        async for chunk in self._whole:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._whole.aclose()
