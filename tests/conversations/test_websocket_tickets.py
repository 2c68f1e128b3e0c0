from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations.models import Session
from tenants.models import ApiKey
from tenants.scope import scopes_disabled
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House, make_session
from tests.conversations.sockets import connect

pytestmark = pytest.mark.django_db(transaction=True)
SHOP = "https://shop.example"


@pytest.fixture(autouse=True)
def _origins(settings: Any) -> None:
    settings.ALLOWED_ORIGINS = [SHOP, "https://other.example"]


@pytest.fixture
def session(acme: House) -> Session:
    return make_session(acme.tenant)


def issue(api: Caller, session: Session, **body: Any) -> dict[str, Any]:
    response = api.post("/api/v1/ws/tickets", {"session_id": str(session.id), **body})
    assert response.status_code == 201, response.content
    issued: dict[str, Any] = response.json()
    return issued


async def enter(issued: dict[str, Any], path: str = "", **headers: str) -> str:
    """`welcome`, or the code of the refusal."""
    protocols = ["orkesta.v1", f"ticket.{issued['ticket']}"]
    place = path or issued["websocket_path"]
    async with connect(place, subprotocols=protocols, **headers) as socket:
        assert socket.subprotocol == "orkesta.v1"
        await socket.say(type="ping")
        frame = await socket.read()
        return "welcome" if frame["type"] == "pong" else str(frame["data"]["code"])


async def test_a_ticket_opens_one_socket(acme_api: Caller, session: Session) -> None:
    issued = await sync_to_async(issue)(acme_api, session, origin=SHOP)
    assert issued["expires_in"] == 30
    assert await enter(issued, origin=SHOP) == "welcome"
    assert await enter(issued, origin=SHOP) == "ticket_invalid"


async def test_a_ticket_is_bound_to_its_origin(acme_api: Caller, session: Session) -> None:
    issued = await sync_to_async(issue)(acme_api, session, origin=SHOP)
    assert await enter(issued, origin="https://other.example") == "ticket_invalid"
    issued = await sync_to_async(issue)(acme_api, session)
    assert await enter(issued, origin="https://evil.example") == "origin_not_allowed"
    assert await enter(issued, origin="https://other.example") == "welcome"


async def test_a_ticket_is_bound_to_its_session(
    acme: House, acme_api: Caller, rival: House, session: Session
) -> None:
    other = await sync_to_async(make_session)(acme.tenant)
    foreign = await sync_to_async(make_session)(rival.tenant)
    for path, code in [
        (f"/ws/acme/{other.id}", "ticket_invalid"),
        (f"/ws/rival/{foreign.id}", "ticket_invalid"),
        (f"/ws/rival/{session.id}", "ticket_invalid"),
    ]:
        issued = await sync_to_async(issue)(acme_api, session)
        assert await enter(issued, path, origin=SHOP) == code


async def test_a_ticket_is_for_browsers(acme_api: Caller, session: Session) -> None:
    issued = await sync_to_async(issue)(acme_api, session)
    assert await enter(issued) == "key_missing"


async def test_a_ticket_dies_with_its_key(acme_api: Caller, session: Session) -> None:
    issued = await sync_to_async(issue)(acme_api, session)
    await sync_to_async(revoke_all)()
    assert await enter(issued, origin=SHOP) == "key_revoked"


def test_tickets_are_not_for_everybody(acme: House, rival_api: Caller, session: Session) -> None:
    body = {"session_id": str(session.id)}
    assert_problem(rival_api.post("/api/v1/ws/tickets", body), 404, "not_found")
    reader = Caller(make_key(acme.tenant, ["tasks:read"]))
    assert_problem(reader.post("/api/v1/ws/tickets", body), 403, "scope_missing")
    body["origin"] = "https://evil.example"
    api = Caller(make_key(acme.tenant))
    assert_problem(api.post("/api/v1/ws/tickets", body), 403, "origin_not_allowed")


async def test_the_statistics_see_an_open_socket(
    acme: House, acme_api: Caller, rival_api: Caller, session: Session
) -> None:
    key = acme_api.key
    before = (await sync_to_async(acme_api.get)("/ws/stats")).json()
    async with connect(f"/ws/acme/{session.id}", key=key) as socket:
        await socket.say(type="ping")
        await socket.read()
        during = (await sync_to_async(acme_api.get)("/ws/stats")).json()
        theirs = (await sync_to_async(rival_api.get)("/ws/stats")).json()
    after = (await sync_to_async(acme_api.get)("/ws/stats")).json()
    assert (during["open"], during["own_open"], theirs["own_open"]) == (1, 1, 0)
    assert (after["open"], after["opened"]) == (0, before["opened"] + 1)
    assert after["frames_sent"] > before["frames_sent"]
    assert after["closed_by_code"]["1000"] == before["closed_by_code"].get("1000", 0) + 1


def test_the_statistics_need_a_key() -> None:
    assert_problem(Caller(None).get("/ws/stats"), 401, "key_missing")


def revoke_all() -> None:
    with scopes_disabled():
        ApiKey.objects.update(revoked_at="2026-01-01T00:00Z")
