"""What is dialled: judged addresses only, and the name still reaches TLS and the Host header."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from orkesta.outbound import (
    OutboundBlocked,
    OutboundPolicy,
    OutboundTimeout,
    OutboundUnreachable,
    fetch,
    open_client,
)
from orkesta.outbound.network import CheckedNetwork
from tests.fakes.certificates import server_and_client_tls
from tests.fakes.hostile_http import HostileServer
from tests.fakes.network import NotingDialler, ScriptedResolver

PUBLIC, OTHER = "93.184.215.14", "2606:2800:21f:cb07::1"


@pytest.fixture
async def listener() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


async def test_rebinding_never_reaches_loopback(listener: HostileServer) -> None:
    policy = OutboundPolicy(extra_ports=frozenset({listener.port}))
    resolver, dialler = ScriptedResolver([PUBLIC], ["127.0.0.1"]), NotingDialler()
    network = CheckedNetwork(policy, resolve=resolver, dial=dialler)
    async with open_client(policy, network=network) as client:
        for error in [OutboundUnreachable, OutboundBlocked, OutboundBlocked]:
            with pytest.raises(error):
                await fetch(client, "GET", listener.url("/ok", host="rebinding.example"))
    # One look-up per connection: nobody asks again between the judgement and the dialling.
    assert len(resolver.asked) == 3
    assert dialler.dialled == [PUBLIC]
    assert listener.accepted == 0


@pytest.mark.parametrize(
    "answer",
    [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::ffff:7f00:1", PUBLIC], [PUBLIC] * 9 + ["::1"]],
)
async def test_one_forbidden_address_spoils_them_all(
    listener: HostileServer, answer: list[str]
) -> None:
    policy = OutboundPolicy(extra_ports=frozenset({listener.port}))
    dialler = NotingDialler({PUBLIC: "127.0.0.1", "127.0.0.1": "127.0.0.1"})
    network = CheckedNetwork(policy, resolve=ScriptedResolver(answer), dial=dialler)
    async with open_client(policy, network=network) as client:
        with pytest.raises(OutboundBlocked):
            await fetch(client, "GET", listener.url("/ok", host="shop.example"))
    assert (dialler.dialled, listener.accepted) == ([], 0)


async def test_without_fakes_nothing_reaches_loopback(listener: HostileServer) -> None:
    policy = OutboundPolicy(extra_ports=frozenset({listener.port}))
    async with open_client(policy) as client:
        for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1",
                     "[::ffff:127.0.0.1]", "127.0.0.1.", "localhost.", "u@127.0.0.1", "0",
                     "１２７.0.0.1", "%31%32%37.0.0.1", "[::1]", "0.0.0.0"]:  # fmt: skip
            with pytest.raises(OutboundBlocked):
                await fetch(client, "GET", listener.url("/ok", host=host))
    assert listener.accepted == 0


async def test_a_second_address_is_tried_when_the_first_is_dead(listener: HostileServer) -> None:
    policy = OutboundPolicy(extra_ports=frozenset({listener.port}))
    dialler = NotingDialler({OTHER: "127.0.0.1"})
    resolver = ScriptedResolver([PUBLIC, PUBLIC, OTHER])
    network = CheckedNetwork(policy, resolve=resolver, dial=dialler)
    async with open_client(policy, network=network) as client:
        answer = await fetch(client, "GET", listener.url("/ok", host="shop.example"))
    assert answer.body == b"fine"
    assert dialler.dialled == [PUBLIC, OTHER]


async def test_a_name_server_that_hangs_is_a_timeout() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    network = CheckedNetwork(OutboundPolicy(), resolve=resolve)
    async with open_client(OutboundPolicy(), timeout_seconds=0.1, network=network) as client:
        with pytest.raises(OutboundTimeout):
            await fetch(client, "GET", "https://slow.example/")


async def test_the_time_to_connect_includes_the_look_up(listener: HostileServer) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    network = CheckedNetwork(OutboundPolicy(), resolve=resolve)
    async with open_client(OutboundPolicy(), timeout_seconds=60, network=network) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("https://slow.example/", timeout=httpx2.Timeout(60, connect=0.1))


async def test_a_silent_address_leaves_time_for_the_next(listener: HostileServer) -> None:
    policy = OutboundPolicy(extra_ports=frozenset({listener.port}))
    dialler = NotingDialler({OTHER: "127.0.0.1"}, silent=frozenset({PUBLIC}))
    network = CheckedNetwork(policy, resolve=ScriptedResolver([PUBLIC, OTHER]), dial=dialler)
    async with open_client(policy, timeout_seconds=0.4, network=network) as client:
        answer = await fetch(client, "GET", listener.url("/ok", host="shop.example"))
    assert answer.body == b"fine"


@pytest.mark.parametrize("outcome", [OSError("no such host"), UnicodeError("label too long"), []])
async def test_a_name_without_address_is_unreachable(outcome: Exception | list[str]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    network = CheckedNetwork(OutboundPolicy(), resolve=resolve)
    async with open_client(OutboundPolicy(), network=network) as client:
        with pytest.raises(OutboundUnreachable):
            await fetch(client, "GET", "https://nowhere.example/")


async def test_an_allowed_host_may_be_private_and_another_name_for_it_not(
    listener: HostileServer,
) -> None:
    policy = OutboundPolicy(allowed_hosts=frozenset({f"ollama.example:{listener.port}"}))
    network = CheckedNetwork(policy, resolve=ScriptedResolver(["127.0.0.1"]))
    async with open_client(policy, network=network) as client:
        assert (
            await fetch(client, "GET", listener.url("/ok", host="ollama.example"))
        ).status == 200
        with pytest.raises(OutboundBlocked):
            await fetch(client, "GET", listener.url("/ok", host="other.example"))
    assert listener.accepted == 1


async def test_tls_and_host_header_say_the_name(tmp_path: Path) -> None:
    server_tls, client_tls = server_and_client_tls("shop.example", directory=tmp_path)
    names: list[str | None] = []
    heads: list[bytes] = []

    def note_name(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        names.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server_tls.sni_callback = note_name  # type: ignore[assignment]
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({port}))
    network = CheckedNetwork(policy, resolve=ScriptedResolver(["127.0.0.1"]))
    async with server, open_client(policy, network=network, tls=client_tls) as client:
        assert (await fetch(client, "GET", f"https://shop.example:{port}/")).status == 204
        # A certificate for another name does not pass.
        with pytest.raises(OutboundUnreachable):
            await fetch(client, "GET", f"https://rival.example:{port}/")
    assert names == ["shop.example", "rival.example"]
    assert f"Host: shop.example:{port}".encode() in heads[0]
