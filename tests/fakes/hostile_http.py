"""An HTTP server on loopback that misbehaves on request: the path names the misbehaviour.

/ok            200 with a small body
/hang          reads the request and never answers
/drip          a good header, then one byte at a time for ever
/drip-header   never gets to the end of the header
/huge          a body without end
/bomb          a few kilobytes of gzip that unpack to 64 MB
/garbage       bytes that are not HTTP
/close         breaks off in the middle of the body
/gzip          200 with a small compressed body
/broken-gzip   says gzip and is not
/busy          429 with Retry-After: 7
/cookie        sets a cookie
/redirect?to=  302 to that address (`status=` chooses another code)
"""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Self
from urllib.parse import parse_qs, urlsplit

DRIP_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class SeenRequest:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@cache
def gzip_bomb() -> bytes:
    return gzip.compress(bytes(64_000_000), compresslevel=9)


class HostileServer:
    """`async with HostileServer() as server`: `accepted` counts connections."""

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        self._host = host
        self._open: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self.seen: list[SeenRequest] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            request = await _read(reader)
            self.seen.append(request)
            parts = urlsplit(request.path)
            arguments = {name: values[0] for name, values in parse_qs(parts.query).items()}
            await BEHAVIOURS[parts.path](writer, arguments)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over: nobody waits for this task
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> SeenRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return SeenRequest(method, path, headers, body)


Behaviour = Callable[[asyncio.StreamWriter, dict[str, str]], Awaitable[None]]


def answer(status: str, *headers: str, body: bytes = b"") -> Behaviour:
    async def behave(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
        writer.write("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    return behave


async def _hang(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    await asyncio.Event().wait()


async def _drip(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


async def _drip_header(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)


async def _huge(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        await writer.drain()


async def _bomb(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    await answer("200 OK", "Content-Encoding: gzip", body=gzip_bomb())(writer, arguments)


async def _garbage(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    writer.write(b"\x00\x01\x02 this is not HTTP \xff\xfe\r\n\r\n" * 20)


async def _close(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nten bytes.")


async def _redirect(writer: asyncio.StreamWriter, arguments: dict[str, str]) -> None:
    status = arguments.get("status", "302")
    await answer(f"{status} Elsewhere", f"Location: {arguments['to']}")(writer, arguments)


BEHAVIOURS: dict[str, Behaviour] = {
    "/ok": answer("200 OK", "Content-Type: text/plain", body=b"fine"),
    "/hang": _hang,
    "/drip": _drip,
    "/drip-header": _drip_header,
    "/huge": _huge,
    "/bomb": _bomb,
    "/garbage": _garbage,
    "/close": _close,
    "/gzip": answer("200 OK", "Content-Encoding: gzip", body=gzip.compress(b"unpacked")),
    "/broken-gzip": answer("200 OK", "Content-Encoding: gzip", body=b"this is not gzip"),
    "/busy": answer("429 Too Many Requests", "Retry-After: 7", body=b"later"),
    "/cookie": answer("200 OK", "Set-Cookie: who=acme; Path=/"),
    "/redirect": _redirect,
}
