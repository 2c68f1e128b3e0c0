"""Keys behind open connections, at real servers; the keys of one loop, by themselves."""

import asyncio
import http.client
import json
import time
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from conversations import key_watch
from conversations.key_watch import KeyWatch
from orkesta.errors import OrkestaError
from tenants.models import ApiKey
from tenants.principals import Principal, Scope
from tenants.scope import tenant_scope
from tenants.services import revoke_api_key
from tests.callers import make_key
from tests.cast import House
from tests.serving import Served

PROMISED_SECONDS = 5.0


@pytest.fixture
def session_of(live_shop: Served) -> tuple[Served, str]:
    return live_shop, live_shop.call("POST", "/api/v1/sessions", {})["session_id"]


@pytest.mark.xdist_group("live-shop")
def test_a_revoked_key_loses_its_sockets_and_streams_in_five_seconds(
    session_of: tuple[Served, str],
) -> None:
    served, session_id = session_of
    body = {"name": "Shop", "scopes": ["chat:write", "tasks:read"]}
    made = served.call("POST", "/api/v1/keys", body)
    headers = {"Authorization": f"Bearer {made['key']}"}
    address = f"127.0.0.1:{served.port}"
    stream = http.client.HTTPConnection(address, timeout=20)
    with (
        closing(stream),
        connect(f"ws://{address}/ws/ferreteria/{session_id}", additional_headers=headers) as socket,
    ):
        stream.request("GET", f"/api/v1/sessions/{session_id}/stream", headers=headers)
        with closing(stream.getresponse()) as events:
            socket.send(json.dumps({"type": "ping"}))
            assert json.loads(socket.recv(timeout=5))["type"] == "pong"
            revoke(address, made["key_id"], key=served.key)
            begin = time.monotonic()
            while (heard := json.loads(socket.recv(timeout=10)))["type"] != "error":
                assert heard["type"] in {"heartbeat", "ping"}
            assert heard["data"]["code"] == "key_revoked"
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=10)
            told = events.read().decode()
            assert time.monotonic() - begin < PROMISED_SECONDS
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    assert "key_revoked" in told


def revoke(address: str, key_id: str, *, key: str) -> None:
    with closing(http.client.HTTPConnection(address, timeout=10)) as connection:
        headers = {"Authorization": f"Bearer {key}"}
        connection.request("DELETE", f"/api/v1/keys/{key_id}", headers=headers)
        assert connection.getresponse().status == 204


class Heard:
    def __init__(self) -> None:
        self.codes: list[str] = []

    def __call__(self, error: OrkestaError) -> None:
        self.codes.append(error.code)


def _principals(house: House, count: int) -> list[Principal]:
    for _ in range(count):
        make_key(house.tenant)
    with tenant_scope(house.id):
        ids = list(ApiKey.objects.values_list("pk", flat=True))
    return [Principal(house.id, "acme", pk, "test", frozenset(Scope)) for pk in ids]


def _revoke(house: House, principal: Principal) -> None:
    assert principal.key_id is not None
    with tenant_scope(house.id):
        revoke_api_key(key=ApiKey.objects.get(pk=principal.key_id))


@pytest.mark.django_db(transaction=True)
async def test_who_holds_a_good_key_hears_nothing(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "CHECK_SECONDS", 0.02)
    watch, first, twin, other, absent = KeyWatch(), Heard(), Heard(), Heard(), Heard()
    lost, kept = await sync_to_async(_principals)(acme, 2)
    nobody = Principal(acme.id, "acme", uuid4(), "test", frozenset(Scope))
    with watch.watch(lost, first), watch.watch(lost, twin), watch.watch(kept, other):
        await sync_to_async(_revoke)(acme, lost)
        with watch.watch(nobody, absent):
            async with asyncio.timeout(30):
                while not (first.codes and absent.codes):
                    await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
    assert first.codes == twin.codes == absent.codes == ["key_revoked"]
    assert other.codes == []
    assert watch._task is None


def _bind(principal: Principal, *networks: str) -> None:
    with tenant_scope(principal.tenant_id):
        ApiKey.objects.filter(pk=principal.key_id).update(addresses=list(networks))


@pytest.mark.django_db(transaction=True)
async def test_who_comes_from_where_a_key_may_not_be_used_any_more_is_told(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_watch, "CHECK_SECONDS", 0.02)
    watch, office, cafe, browser = KeyWatch(), Heard(), Heard(), Heard()
    (key,) = await sync_to_async(_principals)(acme, 1)
    with (
        watch.watch(key, office, address="192.0.2.7"),
        watch.watch(key, cafe, address="198.51.100.9"),
        watch.watch(key, browser),  # it came with a ticket
    ):
        await sync_to_async(_bind)(key, "192.0.2.0/24")
        async with asyncio.timeout(30):
            while not cafe.codes:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        assert (cafe.codes, office.codes, browser.codes) == (["ip_not_allowed"], [], [])
        await sync_to_async(_revoke)(acme, key)
        async with asyncio.timeout(30):
            while not office.codes:
                await asyncio.sleep(0.02)
    assert (cafe.codes, browser.codes) == (["ip_not_allowed"], ["key_revoked"])


@pytest.mark.django_db(transaction=True)
async def test_many_sockets_cost_one_query(acme: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_watch, "CHECK_SECONDS", 0.02)
    asked: list[int] = []

    def find_rights(key_ids: list[Any]) -> dict[Any, Any]:
        asked.append(len(key_ids))
        return {}

    monkeypatch.setattr(key_watch, "find_rights", find_rights)
    watch = KeyWatch()
    principals = await sync_to_async(_principals)(acme, 2)
    managers = [watch.watch(principals[number % 2], Heard()) for number in range(100)]
    for manager in managers:
        manager.__enter__()
    await asyncio.sleep(0.05)
    for manager in managers:
        manager.__exit__(None, None, None)
    assert set(asked) == {2}
