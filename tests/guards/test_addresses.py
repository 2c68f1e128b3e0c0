import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client

from conversations.models import Message, Session, Task
from conversations.services import BatchRequest, post_batch
from orkesta.addresses import Address, addresses
from routing.models import McpServer, Tool
from tenants.principals import Principal, Scope
from tenants.scope import tenant_scope
from tenants.services import issue_api_key
from tests.callers import NO_SUCH_ID
from tests.cast import House, make_agent
from tests.conversations.triggers import TRIGGER_IDS, make_triggers
from tests.conversations.waiting import make_waiting

#: Addresses below /api/ that anybody may call, and the one that answers for all unknown ones.
OPEN = {"schema", "docs", "key-leaked", ""}
#: Whose id each parameter of a route is.
PARAMETERS = (
    "session_id",
    "task_id",
    "batch_id",
    "message_id",
    "prompt_slug",
    "key_id",
    *TRIGGER_IDS,
)
#: Parameters that mean something only beside another one.
PLAIN = {"number": 1, "label": "production"} | dict.fromkeys(
    ("experiment_id", "case_id", "run_id", "replay_id"), NO_SUCH_ID
)
#: Bodies that are needed to be let in; a value that is the name of a parameter becomes its id.
BODIES: dict[str, dict[str, Any]] = {
    "chat-send": {"message": "hola", "session_id": "session_id"},
    "chat-status": {"task_id": "task_id"},
    "chat-cancel": {"task_id": "task_id"},
    "execute": {"input": "hola", "session_id": "session_id"},
    "task-fork": {"after_step": 0},
    "task-input": {"action": "approve"},
    "batches": {"requests": [{"message": "hola", "session_id": "session_id"}]},
    "ws-tickets": {"session_id": "session_id"},
    "prompt-versions": {"source": "Hola."},
    "prompt-label": {"version": 1},
    "experiments": {"version": 1, "share": 10},
    "experiment": {"share": 10},
    "test-cases": {"message": "hola"},
    "test-case": {"message": "hola"},
    "message-feedback": {"rating": "up"},
}
#: Addresses at which something new is made, of nothing that was there before.
MADE_FROM_NOTHING = {
    "routing-test",
    "routing-replay",
    "sessions",
    "schedules",
    "inbound-webhooks",
    "webhook-endpoints",
    "tool-imports",
    "keys",
}
#: Addresses that take neither a parameter nor an id in the body.
LISTS = {
    "tasks",
    "inputs",
    "agents",
    "batches",
    "prompts",
    "tools",
    "mcp-servers",
} | MADE_FROM_NOTHING
CANARY = "canary-of-the-rival"

API = [found for found in addresses("api/v1/") if found.name not in OPEN]
DOORS = [(found, method) for found in API for method in found.methods]
#: Addresses that tell sums of what is the caller's own, and name no rows.
SUMS = {"usage"}
READ_LISTS = [door for door in DOORS if door[0].name in LISTS and door[1] == "GET"]
#: All that name a row by its id: making something new does not.
NAMING = [d for d in DOORS if d not in READ_LISTS and d[0].name not in MADE_FROM_NOTHING | SUMS]


def spelled(door: tuple[Address, str]) -> str:
    return f"{door[1]} {door[0].route}"


@dataclass
class Rows:
    """Ids that a caller could put into an address."""

    session_id: Any
    task_id: Any
    batch_id: Any
    message_id: Any
    prompt_slug: Any
    key_id: Any
    schedule_id: Any
    inbound_id: Any
    endpoint_id: Any
    delivery_id: Any


@pytest.fixture
def theirs(rival: House) -> Rows:
    principal = Principal(rival.id, rival.tenant.slug, None, "test", frozenset(Scope))
    make_agent(rival.tenant, CANARY)
    with tenant_scope(rival.id):
        batch = post_batch(
            principal=principal,
            requests=[BatchRequest(CANARY, user_ref=CANARY)],
            name=CANARY,
        )
        task = batch.tasks.get()
        Tool.objects.create(name=CANARY, description=CANARY)
        McpServer.objects.create(slug="shop", name=CANARY)
        key, _ = issue_api_key(tenant=rival.tenant, name=CANARY, scopes=Scope)
    make_waiting(rival, CANARY)
    ids = (task.session_id, task.id, batch.id, task.question_id)
    return Rows(*ids, CANARY, key.id, **make_triggers(rival, CANARY))


def key_of(house: House, *scopes: str) -> str:
    with tenant_scope(house.id):
        return issue_api_key(tenant=house.tenant, name="guard", scopes=scopes or Scope)[1]


def call(door: tuple[Address, str], rows: Rows, key: str = "") -> HttpResponse:
    address, method = door
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = _filled(BODIES.get(address.name, {}), rows)
    return Client(headers=headers).generic(
        method,
        address.path(**vars(rows), **PLAIN),
        json.dumps(body),
        content_type="application/json",
    )


def _filled(body: Any, rows: Rows) -> Any:
    """`body` with ids in place of the names of parameters."""
    if isinstance(body, dict):
        return {name: _filled(value, rows) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, rows) for value in body]
    return str(getattr(rows, body)) if body in PARAMETERS else body


def told(response: HttpResponse) -> Any:
    """What the answer says, apart from what every request has of its own."""
    return {**json.loads(response.content), "request_id": "", "instance": ""}


def test_every_address_of_the_api_is_known_to_this_test() -> None:
    assert API
    for found in API:
        assert found.name, f"{found.route} needs a name"
        assert set(found.parameters) <= {*PARAMETERS, *PLAIN}, f"{found.route}: whose id is that?"
        known = bool(found.parameters) or found.name in BODIES or found.name in LISTS | SUMS
        assert known, f"{found.route}: does its body name rows? Add it to BODIES or to LISTS"
    assert set(BODIES) | LISTS <= {found.name for found in API}


def test_a_sessions_limit_counts_wherever_a_body_names_it() -> None:
    naming = {name for name, body in BODIES.items() if "session_id" in body}
    counting = {
        found.name
        for found in API
        if getattr(found.view.view_class, "names_session_in_body", False)
    }
    assert naming
    assert counting == naming


@pytest.mark.django_db
@pytest.mark.parametrize("door", DOORS, ids=spelled)
def test_every_address_asks_for_a_key(door: tuple[Address, str], theirs: Rows) -> None:
    response = call(door, theirs)
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "key_missing"


@pytest.mark.django_db
@pytest.mark.parametrize("door", DOORS, ids=spelled)
def test_every_address_asks_for_a_scope(
    door: tuple[Address, str], theirs: Rows, acme: House
) -> None:
    needed = door[0].view.view_class.required_scopes[door[1]]
    other = Scope.USAGE_READ if needed == Scope.KEYS_MANAGE else Scope.KEYS_MANAGE
    response = call(door, theirs, key_of(acme, other))
    assert response.status_code == 403
    assert response.json()["code"] == "scope_missing"


@pytest.mark.django_db
@pytest.mark.parametrize("door", NAMING, ids=spelled)
def test_another_tenants_rows_are_not_there(
    door: tuple[Address, str], theirs: Rows, acme: House
) -> None:
    key = key_of(acme)
    nobodys = Rows(**dict.fromkeys(PARAMETERS, uuid4()))
    foreign, absent = call(door, theirs, key), call(door, nobodys, key)
    assert foreign.status_code == 404
    assert told(foreign) == told(absent)
    assert CANARY not in json.dumps(told(foreign))
    with tenant_scope(Session._base_manager.get(pk=theirs.session_id).tenant_id):
        assert Task.objects.get(pk=theirs.task_id).wanted == ""
        assert Session.objects.get(pk=theirs.session_id).status == "open"
        assert Message.objects.filter(session_id=theirs.session_id).count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("door", READ_LISTS, ids=spelled)
def test_lists_show_only_the_callers_own(
    door: tuple[Address, str], theirs: Rows, acme: House, rival: House
) -> None:
    mine, other = call(door, theirs, key_of(acme)), call(door, theirs, key_of(rival))
    assert mine.status_code == other.status_code == 200
    signs = (CANARY, str(theirs.session_id), str(theirs.task_id))
    assert any(sign in other.content.decode() for sign in signs)
    assert not any(sign in mine.content.decode() for sign in signs)
