import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from orkesta.outbound import OutboundPolicy, open_client
from orkesta.outbound.errors import AddressBlocked
from orkesta.outbound.network import CheckedNetwork, Resolve
from orkesta.outbound.quick_pool import QuickPool
from orkesta.outbound.transport import system_tls
from tests.fakes.certificates import server_and_client_tls
from tests.fakes.hostile_http import HostileServer
from tests.fakes.network import ScriptedResolver

PUBLIC = "93.184.215.14"


@asynccontextmanager
async def opened(
    policy: OutboundPolicy, resolve: Resolve, tls: ssl.SSLContext | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    pool = QuickPool(CheckedNetwork(policy, resolve=resolve), tls=tls or system_tls())
    async with open_client(policy, timeout_seconds=5, pool=pool) as client:
        yield client


@pytest.mark.parametrize("answer", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::ffff:7f00:1"]])
async def test_one_forbidden_address_spoils_them_all(answer: list[str]) -> None:
    async with HostileServer() as server:
        policy = OutboundPolicy(extra_ports=frozenset({server.port}))
        async with opened(policy, ScriptedResolver(answer)) as client:
            with pytest.raises(AddressBlocked):
                await client.get(server.url("/ok", host="shop.example"))
        assert server.accepted == 0


async def test_a_name_is_judged_again_at_every_connection() -> None:
    async with HostileServer() as server:
        policy = OutboundPolicy(allowed_hosts=frozenset({f"one.example:{server.port}"}))
        resolver = ScriptedResolver(["127.0.0.1"], ["169.254.169.254"])
        async with opened(policy, resolver) as client:
            url = server.url("/ok", host="one.example")
            assert (await client.get(url)).text == "fine"
            with pytest.raises(AddressBlocked):
                await client.get(url)
        assert server.seen[0].headers["host"] == f"one.example:{server.port}"


@pytest.mark.parametrize("outcome", [OSError("no such host"), UnicodeError("too long"), []])
async def test_a_name_without_address_is_a_connection_that_failed(
    outcome: Exception | list[str],
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with opened(OutboundPolicy(), resolve) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("https://nowhere.example/")


async def test_the_time_to_connect_includes_the_look_up() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    async with opened(OutboundPolicy(), resolve) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("https://slow.example/", timeout=httpx2.Timeout(5, connect=0.1))


async def test_a_silence_in_the_middle_is_a_read_timeout() -> None:
    async with HostileServer() as server:
        policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({server.port}))
        async with opened(policy, ScriptedResolver(["127.0.0.1"])) as client:
            with pytest.raises(httpx2.ReadTimeout):
                await client.get(server.url("/hang"), timeout=0.1)


async def test_what_arrived_together_is_handed_on_together() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        chunks = b"".join(b"1\r\n%d\r\n" % number for number in range(9))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({port}))
    async with (
        server,
        opened(policy, ScriptedResolver(["127.0.0.1"])) as client,
        client.stream("GET", f"http://127.0.0.1:{port}/") as response,
    ):
        assert [piece async for piece in response.aiter_raw()] == [b"012345678"]


async def test_tls_is_held_with_the_name(tmp_path: Path) -> None:
    server_tls, client_tls = server_and_client_tls("shop.example", directory=tmp_path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({port}))
    async with server, opened(policy, ScriptedResolver(["127.0.0.1"]), client_tls) as client:
        assert (await client.get(f"https://shop.example:{port}/")).status_code == 204
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://other.example:{port}/")
