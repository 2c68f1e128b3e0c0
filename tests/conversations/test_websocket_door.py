from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from conversations.models import Session
from tenants.models import ApiKey, Tenant
from tenants.scope import scopes_disabled
from tenants.services import revoke_api_key
from tests.cast import House, make_session
from tests.conversations.sockets import connect, key_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(acme: House) -> Session:
    return make_session(acme.tenant)


@pytest.fixture
def path(session: Session) -> str:
    return f"/ws/acme/{session.id}"


def change_key(**values: Any) -> None:
    with scopes_disabled():
        ApiKey.objects.update(**values)


async def refusal(path: str, **options: Any) -> tuple[str, int]:
    async with connect(path, **options) as socket:
        return await socket.read_refusal()


async def test_a_key_opens_it_in_either_header(acme: House, path: str) -> None:
    key = await key_of(acme)
    for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
        async with connect(path, **headers) as socket:
            await socket.say(type="ping")
            assert (await socket.read())["type"] == "pong"


@pytest.mark.parametrize(
    ("key", "told"), [(None, "key_missing"), ("ork_test_x", "key_invalid"), ("é", "key_invalid")]
)
async def test_it_refuses_who_has_no_key(path: str, key: str | None, told: str) -> None:
    assert await refusal(path, key=key) == (told, 4401)


async def test_it_refuses_keys_that_are_no_longer_good(acme: House, path: str) -> None:
    key = await key_of(acme)
    await sync_to_async(change_key)(expires_at=timezone.now() - timedelta(seconds=1))
    assert await refusal(path, key=key) == ("key_expired", 4401)
    await sync_to_async(change_key)(revoked_at=timezone.now())
    assert await refusal(path, key=key) == ("key_revoked", 4403)


async def test_it_refuses_a_key_without_the_scope(acme: House, path: str) -> None:
    assert await refusal(path, key=await key_of(acme, "keys:manage")) == ("scope_missing", 4403)


async def test_it_refuses_a_suspended_tenant(acme: House, path: str) -> None:
    key = await key_of(acme)
    await Tenant.objects.filter(pk=acme.id).aupdate(is_active=False)
    assert await refusal(path, key=key) == ("tenant_suspended", 4403)


async def test_foreign_and_absent_look_the_same(
    acme: House, rival: House, session: Session, path: str
) -> None:
    paths = [
        (path, rival),
        (f"/ws/rival/{session.id}", acme),
        (f"/ws/rival/{session.id}", rival),
        (f"/ws/acme/{uuid4()}", acme),
        ("/ws/acme/not-a-uuid", acme),
        (f"/ws/nobody/{session.id}", acme),
        ("/ws/acme", acme),
        ("/somewhere/else", acme),
    ]
    for tried, house in paths:
        assert await refusal(tried, key=await key_of(house)) == ("not_found", 4404), tried


@pytest.mark.parametrize("cursor", ["x", "-1", "1~2", "9" * 50, "99", "%00"])
async def test_it_refuses_a_cursor_nobody_issued(acme: House, path: str, cursor: str) -> None:
    told = await refusal(f"{path}?cursor={cursor}", key=await key_of(acme))
    assert told == ("malformed_cursor", 4400)


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        ("https://shop.example", True),
        ("http://testserver", True),
        ("https://testserver", True),
        ("https://evil.example", False),
        ("https://shop.example.evil.example", False),
        ("http://shop.example", False),
        ("null", False),
        ("https://[", False),
    ],
)
async def test_browsers_connect_from_listed_origins_and_from_here(
    acme: House, path: str, settings: Any, origin: str, is_welcome: bool
) -> None:
    settings.ALLOWED_ORIGINS = ["https://shop.example"]
    key = await key_of(acme)
    if not is_welcome:
        assert await refusal(path, key=key, origin=origin) == ("origin_not_allowed", 4403)
        return
    async with connect(path, key=key, origin=origin) as socket:
        await socket.say(type="ping")
        assert (await socket.read())["type"] == "pong"


async def test_it_selects_its_own_subprotocol_only(acme: House, path: str) -> None:
    key = await key_of(acme)
    async with connect(path, key=key, subprotocols=["orkesta.v1", "ticket.x"][:1]) as socket:
        assert socket.subprotocol == "orkesta.v1"
    async with connect(path, key=key, subprotocols=["other"]) as socket:
        assert socket.subprotocol is None


async def test_there_are_as_many_as_allowed(acme: House, path: str, settings: Any) -> None:
    settings.ORKESTA_MAX_SOCKETS = 1
    key = await key_of(acme)
    async with connect(path, key=key) as first:
        await first.say(type="ping")
        await first.read()
        assert await refusal(path, key=key) == ("sockets_exhausted", 4429)
    async with connect(path, key=key) as again:
        await again.say(type="ping")
        assert (await again.read())["type"] == "pong"


async def test_a_tier_allows_its_own_number(acme: House, rival: House, path: str) -> None:
    acme.tenant.tier.max_sockets = 1
    await acme.tenant.tier.asave()
    key = await key_of(acme)
    async with connect(path, key=key) as first:
        await first.say(type="ping")
        await first.read()
        assert await refusal(path, key=key) == ("sockets_exhausted", 4429)


async def test_a_revoked_key_loses_its_sockets(
    acme: House, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.key_watch.CHECK_SECONDS", 0.05)
    async with connect(path, key=await key_of(acme)) as socket:
        await socket.say(type="ping")
        await socket.read_until("pong")
        await sync_to_async(_revoke)(acme)
        assert await socket.read_refusal() == ("key_revoked", 4403)


def _revoke(house: House) -> None:
    with scopes_disabled():
        revoke_api_key(key=ApiKey.objects.get(tenant=house.tenant))
