"""Redirects: not followed unless asked, each checked like a first address, without secrets."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from orkesta.outbound import OutboundBlocked, OutboundPolicy, OutboundTimeout, fetch, open_client
from orkesta.outbound.network import CheckedNetwork
from orkesta.outbound.transport import MAX_CONNECTIONS
from tests.fakes.hostile_http import HostileServer
from tests.fakes.network import NotingDialler, ScriptedResolver

SECRETS = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "s=s3cret"}


@pytest.fixture
async def first() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


@pytest.fixture
async def second() -> AsyncIterator[HostileServer]:
    async with HostileServer() as server:
        yield server


@pytest.fixture
async def client(first: HostileServer, second: HostileServer) -> AsyncIterator[httpx2.AsyncClient]:
    policy = OutboundPolicy(allow_private=True, extra_ports=frozenset({first.port, second.port}))
    async with open_client(policy, timeout_seconds=2) as opened:
        yield opened


async def test_a_redirect_is_the_answer_by_default(
    client: httpx2.AsyncClient, first: HostileServer, second: HostileServer
) -> None:
    answer = await fetch(client, "GET", first.url(f"/redirect?to={second.url('/ok')}"))
    assert (answer.status, answer.headers["location"]) == (302, second.url("/ok"))
    assert second.accepted == 0


async def test_another_origin_learns_no_secret(
    client: httpx2.AsyncClient, first: HostileServer, second: HostileServer
) -> None:
    url = first.url(f"/redirect?status=307&to={second.url('/ok')}")
    answer = await fetch(
        client, "POST", url, headers={**SECRETS, "Accept": "text/x"}, content=b"x", max_redirects=1
    )
    assert answer.body == b"fine"
    [seen] = second.seen
    assert "s3cret" not in str(seen)
    assert (seen.method, seen.body, seen.headers["accept"]) == ("POST", b"x", "text/x")
    assert seen.headers["host"] == f"127.0.0.1:{second.port}"


async def test_the_same_origin_keeps_its_headers(
    client: httpx2.AsyncClient, first: HostileServer
) -> None:
    await fetch(client, "GET", first.url("/redirect?to=/ok"), headers=SECRETS, max_redirects=1)
    assert first.seen[-1].headers["x-api-key"] == "s3cret"
    assert first.seen[-1].headers["authorization"] == "Bearer s3cret"


async def test_the_redirect_after_the_last_allowed_is_the_answer(
    client: httpx2.AsyncClient, first: HostileServer
) -> None:
    loop = "/redirect?to=/redirect%3Fto%3D/redirect%253Fto%253D/redirect%25253Fto%25253D/ok"
    answer = await fetch(client, "GET", first.url(loop), max_redirects=3)
    assert (answer.status, len(first.seen)) == (302, 4)
    with pytest.raises(ValueError, match="max_redirects"):
        await fetch(client, "GET", first.url(loop), max_redirects=4)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/ok", "http://2130706433:{port}/ok", "http://[::ffff:7f00:1]:{port}/",
        "http://localhost:{port}/ok", "http://user@127.0.0.1:{port}/ok", "//127.0.0.1:{port}/ok",
        "http://169.254.169.254/latest/meta-data", "http://internal.example:{port}/ok",
        "file:///etc/passwd", "http://public.example:22/",
    ],
)  # fmt: skip
async def test_a_redirect_inwards_never_connects(
    first: HostileServer, second: HostileServer, target: str
) -> None:
    # `first` plays a public server; whatever it points to is judged anew.
    answers = {"public.example": ["93.184.215.14"], "internal.example": ["127.0.0.1"]}

    async def resolve(host: str, port: int) -> list[str]:
        return answers[host]

    policy = OutboundPolicy(extra_ports=frozenset({first.port, second.port}))
    dialler = NotingDialler({"93.184.215.14": "127.0.0.1", "127.0.0.1": "127.0.0.1"})
    network = CheckedNetwork(policy, resolve=resolve, dial=dialler)
    url = first.url(f"/redirect?to={target.format(port=second.port)}", host="public.example")
    async with open_client(policy, network=network) as client:
        with pytest.raises(OutboundBlocked):
            await fetch(client, "GET", url, max_redirects=3)
    assert dialler.dialled == ["93.184.215.14"]
    assert (first.accepted, second.accepted) == (1, 0)


async def test_a_redirect_never_leads_from_https_to_http() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(302, headers={"Location": "http://shop.example/"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        with pytest.raises(OutboundBlocked):
            await fetch(client, "GET", "https://shop.example/", max_redirects=1)


async def test_the_hops_give_their_connections_back(
    client: httpx2.AsyncClient, first: HostileServer, second: HostileServer
) -> None:
    url = first.url(f"/redirect?to={second.url('/ok')}")
    for _ in range(MAX_CONNECTIONS + 1):
        assert (await fetch(client, "GET", url, max_redirects=1)).status == 200


async def test_one_deadline_covers_all_redirects(
    client: httpx2.AsyncClient, first: HostileServer
) -> None:
    with pytest.raises(OutboundTimeout):
        await fetch(
            client, "GET", first.url("/redirect?to=/drip"), timeout_seconds=0.2, max_redirects=3
        )


async def test_a_name_that_changes_its_answer_is_judged_at_every_hop(
    first: HostileServer,
) -> None:
    policy = OutboundPolicy(extra_ports=frozenset({first.port}))
    resolver = ScriptedResolver(["93.184.215.14"], ["127.0.0.1"])
    dialler = NotingDialler({"93.184.215.14": "127.0.0.1", "127.0.0.1": "127.0.0.1"})
    network = CheckedNetwork(policy, resolve=resolver, dial=dialler)
    url = first.url("/redirect?to=/ok", host="rebinding.example")
    async with open_client(policy, network=network) as client:
        with pytest.raises(OutboundBlocked):
            await fetch(client, "GET", url, max_redirects=3)
    assert dialler.dialled == ["93.184.215.14"]
