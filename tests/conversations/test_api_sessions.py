from typing import Any

from conversations.models import Session
from conversations.states import SessionStatus
from routing.models import Agent
from tenants.scope import tenant_scope
from tests.callers import NO_SUCH_ID, Caller, assert_problem
from tests.cast import House

SESSIONS = "/api/v1/sessions"


def opened(api: Caller, **body: Any) -> Any:
    response = api.post(SESSIONS, body)
    assert response.status_code == 201, response.content
    return response


def test_a_session_is_opened_ahead_of_its_first_message(acme: House, acme_api: Caller) -> None:
    response = opened(acme_api, user={"id": "c-1", "name": "Rosa"}, context={"branch": 1})
    session = response.json()
    assert response["Location"] == f"{SESSIONS}/{session['session_id']}"
    assert acme_api.get(response["Location"]).json() == session
    assert session["status"] == "open"
    assert session["user"] == {"id": "c-1", "name": "Rosa"}
    assert session["context"] == {"branch": 1}
    assert session["metadata"] == {}
    assert session["active_agent"] is None
    assert session["last_seq"] == session["num_messages"] == 0
    assert session["expires_at"] > session["created_at"]
    assert session["closed_at"] is None


def test_nothing_needs_to_be_said_to_open_one(acme_api: Caller) -> None:
    assert acme_api.post(SESSIONS).status_code == 201
    assert opened(acme_api, user=None, context="", metadata=None).json()["user"]["id"] == ""


def test_a_session_shows_who_answers(acme: House, acme_api: Caller) -> None:
    session_id = opened(acme_api).json()["session_id"]
    with tenant_scope(acme.id):
        Session.objects.update(active_agent=Agent.objects.get(slug="sales"))
    assert acme_api.get(f"{SESSIONS}/{session_id}").json()["active_agent"] == "sales"


def test_sessions_are_listed_newest_first_and_narrowed(acme: House, acme_api: Caller) -> None:
    ids = [opened(acme_api, user={"id": f"c-{n}"}).json()["session_id"] for n in range(3)]
    acme_api.post(f"{SESSIONS}/{ids[0]}/close")

    def listed(query: str = "") -> list[str]:
        items = acme_api.get(SESSIONS + query).json()["items"]
        return [session["session_id"] for session in items]

    assert listed() == ids[::-1]
    assert listed("?status=open") == ids[:0:-1]
    assert listed("?status=closed&user=c-0") == ids[:1]
    assert listed("?user=c-1") == [ids[1]]
    assert listed("?user=nobody") == []


def test_what_was_said_is_listed_in_order(acme_api: Caller) -> None:
    session_id = opened(acme_api).json()["session_id"]
    for text in ("uno", "dos"):
        body = {"message": text, "session_id": session_id, "metadata": {"n": text}}
        assert acme_api.post("/api/v1/chat/send", body).status_code == 202
    items = acme_api.get(f"{SESSIONS}/{session_id}/messages").json()["items"]
    assert [(m["content"], m["role"], m["agent"]) for m in items] == [
        ("uno", "user", ""),
        ("dos", "user", ""),
    ]
    assert items[0]["metadata"] == {"n": "uno"}
    assert items[0]["seq"] < items[1]["seq"]


def test_events_can_be_read_from_where_one_stands(acme_api: Caller) -> None:
    session_id = opened(acme_api).json()["session_id"]
    sent = acme_api.post("/api/v1/chat/send", {"message": "hola", "session_id": session_id}).json()
    acme_api.post(f"{SESSIONS}/{session_id}/close")
    events = f"{SESSIONS}/{session_id}/events"
    whole = acme_api.get(events).json()
    assert [event["seq"] for event in whole["items"]] == [1, 2, 3]
    assert [event["type"] for event in whole["items"]] == [
        "message.created", "task.status_changed", "session.status_changed",
    ]  # fmt: skip
    assert whole["items"][0]["data"]["content"] == "hola"
    assert whole["items"][0]["task_id"] == sent["task_id"]
    assert (whole["next_cursor"], whole["has_more"]) == ("3", False)
    part = acme_api.get(f"{events}?after=1&limit=1").json()
    assert [event["seq"] for event in part["items"]] == [2]
    assert (part["next_cursor"], part["has_more"]) == ("2", True)
    rest = acme_api.get(f"{events}?after={part['items'][0]['cursor']}").json()
    assert [event["seq"] for event in rest["items"]] == [3]
    end = acme_api.get(f"{events}?after=3~{NO_SUCH_ID}~1.2~40").json()
    assert end == {"items": [], "next_cursor": "3", "has_more": False}


def test_a_session_is_closed_once_and_stays_closed(acme_api: Caller) -> None:
    session_id = opened(acme_api).json()["session_id"]
    closed = acme_api.post(f"{SESSIONS}/{session_id}/close").json()
    assert closed["status"] == "closed"
    assert closed["closed_at"] is not None
    assert acme_api.post(f"{SESSIONS}/{session_id}/close").json() == closed


def test_an_expired_session_cannot_be_closed(acme: House, acme_api: Caller) -> None:
    session_id = opened(acme_api).json()["session_id"]
    with tenant_scope(acme.id):
        Session.objects.update(status=SessionStatus.EXPIRED)
    response = acme_api.post(f"{SESSIONS}/{session_id}/close")
    assert_problem(response, 409, "session_not_open")


def test_agents_that_may_be_asked_for_are_listed(acme: House, acme_api: Caller) -> None:
    with tenant_scope(acme.id):
        Agent.objects.filter(slug="desk").update(is_active=False)
    assert acme_api.get("/api/v1/agents").json() == {
        "items": [
            {
                "slug": "sales",
                "name": "Sales",
                "description": "Answers about sales.",
                "kind": "prompt",
                "is_fallback": False,
                "tools": [],
            }
        ],
        "next_cursor": None,
        "has_more": False,
    }
