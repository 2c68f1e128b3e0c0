from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import UUIDConverter

from tests.callers import NO_SUCH_ID, Caller, assert_problem, make_key
from tests.cast import House
from tests.conversations.stored import num_rows
from tests.conversations.triggers import TRIGGER_IDS, make_triggers

#: Addresses that name a thing by an id, and bodies that do; each is tried with another tenant's.
PATHS = [
    ("GET", "/api/v1/tasks/{task_id}"),
    ("POST", "/api/v1/tasks/{task_id}/cancel"),
    ("POST", "/api/v1/tasks/{task_id}/pause"),
    ("POST", "/api/v1/tasks/{task_id}/resume"),
    ("POST", "/api/v1/tasks/{task_id}/retry"),
    ("POST", "/api/v1/tasks/{task_id}/fork"),
    ("POST", "/api/v1/tasks/{task_id}/input"),
    ("GET", "/api/v1/tasks/{task_id}/stream"),
    ("GET", "/api/v1/sessions/{session_id}/stream"),
    ("POST", "/api/v1/messages/{message_id}/feedback"),
    ("GET", "/api/v1/batches/{batch_id}"),
    ("GET", "/api/v1/batches/{batch_id}/tasks"),
    ("POST", "/api/v1/batches/{batch_id}/cancel"),
    ("GET", "/api/v1/sessions/{session_id}"),
    ("GET", "/api/v1/sessions/{session_id}/messages"),
    ("GET", "/api/v1/sessions/{session_id}/events"),
    ("GET", "/api/v1/sessions/{session_id}/stream"),
    ("POST", "/api/v1/sessions/{session_id}/close"),
    ("GET", "/api/v1/schedules/{schedule_id}"),
    ("PATCH", "/api/v1/schedules/{schedule_id}"),
    ("DELETE", "/api/v1/schedules/{schedule_id}"),
    ("GET", "/api/v1/schedules/{schedule_id}/runs"),
    ("GET", "/api/v1/inbound-webhooks/{inbound_id}"),
    ("PATCH", "/api/v1/inbound-webhooks/{inbound_id}"),
    ("DELETE", "/api/v1/inbound-webhooks/{inbound_id}"),
    ("GET", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("PATCH", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("DELETE", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("POST", "/api/v1/webhook-endpoints/{endpoint_id}/rotate-secret"),
    ("GET", "/api/v1/webhook-endpoints/{endpoint_id}/deliveries"),
    ("GET", "/api/v1/webhook-deliveries/{delivery_id}"),
    ("POST", "/api/v1/webhook-deliveries/{delivery_id}/replay"),
    ("GET", "/api/v1/keys/{key_id}"),
    ("DELETE", "/api/v1/keys/{key_id}"),
    ("POST", "/api/v1/keys/{key_id}/rotate"),
]
IDS = ("task_id", "session_id", "batch_id", "message_id", "key_id", *TRIGGER_IDS)
ABSENT = dict.fromkeys(IDS, NO_SUCH_ID)
BODIES = [
    ("/api/v1/chat/status", "task_id"),
    ("/api/v1/chat/cancel", "task_id"),
    ("/api/v1/chat/send", "session_id"),
    ("/api/v1/ws/tickets", "session_id"),
]


@pytest.fixture
def theirs(rival: House, rival_api: Caller) -> dict[str, str]:
    sent: dict[str, str] = rival_api.post("/api/v1/chat/send", {"message": "canary-7351"}).json()
    batch = rival_api.post("/api/v1/batches", {"requests": [{"message": "canary-7352"}]}).json()
    said = rival_api.get(f"/api/v1/sessions/{sent['session_id']}/messages").json()["items"]
    key_id = rival_api.get("/api/v1/keys").json()["items"][0]["key_id"]
    made = {
        "batch_id": batch["batch_id"],
        "message_id": said[0]["message_id"],
        "key_id": key_id,
    }
    return sent | made | make_triggers(rival, "canary-7353")


def essence(response: Any) -> dict[str, Any]:
    body = assert_problem(response, 404, "not_found")
    del body["request_id"], body["instance"]
    return body


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_another_tenants_thing_is_no_thing(
    acme_api: Caller, theirs: dict[str, str], method: str, path: str
) -> None:
    before = num_rows()
    body = {"after_step": 0, "action": "approve", "rating": "up"}
    foreign = essence(acme_api.request(method, path.format(**theirs), body))
    absent = essence(acme_api.request(method, path.format_map(ABSENT), body))
    assert foreign == absent
    assert num_rows() == before


@pytest.mark.parametrize(("path", "name"), BODIES)
def test_another_tenants_id_in_a_body_is_no_id(
    acme_api: Caller, theirs: dict[str, str], path: str, name: str
) -> None:
    before = num_rows()
    foreign = essence(acme_api.post(path, {"message": "x", name: theirs[name]}))
    absent = essence(acme_api.post(path, {"message": "x", name: NO_SUCH_ID}))
    assert foreign == absent
    assert num_rows() == before


@pytest.mark.parametrize("path", ["tasks", "sessions", "agents"])
def test_lists_hold_nothing_of_another_tenant(
    acme: House, acme_api: Caller, theirs: dict[str, str], path: str
) -> None:
    for query in ("", f"?session_id={theirs['session_id']}"):
        text = acme_api.get(f"/api/v1/{path}{query}").text
        assert theirs["session_id"] not in text
        assert theirs["task_id"] not in text
    assert acme_api.get(f"/api/v1/tasks?session_id={theirs['session_id']}").json()["items"] == []


def test_a_filter_by_another_tenants_session_looks_like_one_by_none(
    acme_api: Caller, theirs: dict[str, str]
) -> None:
    foreign = acme_api.get(f"/api/v1/tasks?session_id={theirs['session_id']}").json()
    assert foreign == acme_api.get(f"/api/v1/tasks?session_id={NO_SUCH_ID}").json()


def test_the_same_key_sees_only_its_own_tenant_whatever_the_request_says(
    acme: House, rival: House, theirs: dict[str, str]
) -> None:
    headers = {
        "X-Tenant": "rival",
        "X-Tenant-ID": str(rival.id),
        "X-API-Key": make_key(rival.tenant),
    }
    api = Caller(make_key(acme.tenant), **headers)
    assert_problem(api.get(f"/api/v1/sessions/{theirs['session_id']}"), 404, "not_found")
    assert api.get("/api/v1/sessions?tenant=rival").json()["items"] == []


def test_every_address_with_an_id_is_in_the_table() -> None:
    def leaves(patterns: Any, before: str = "") -> Any:
        for pattern in patterns:
            text = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from leaves(pattern.url_patterns, text)
            elif isinstance(pattern, URLPattern):
                yield text, pattern

    with_ids = {
        "/" + text.replace("<uuid:", "{").replace(">", "}")
        for text, pattern in leaves(get_resolver().url_patterns)
        if text.startswith("api/")
        and pattern.pattern.converters
        and all(isinstance(c, UUIDConverter) for c in pattern.pattern.converters.values())
    }
    assert with_ids == {path for _, path in PATHS}
