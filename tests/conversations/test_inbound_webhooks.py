import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from conversations.models import Message, Task
from conversations.trigger_models import InboundReceipt, InboundWebhook
from conversations.triggers.inbound import NewInboundWebhook
from orkesta.webhook_signing import make_secret
from tenants.scope import scopes_disabled, tenant_scope
from tests.callers import assert_problem
from tests.cast import House
from tests.conversations.triggers import make_inbound, signed

ORDER = json.dumps({"order": {"id": 7351}}).encode()


def call(
    hook: NewInboundWebhook | str,
    body: bytes = ORDER,
    headers: dict[str, str] | None = None,
    **content: str,
) -> Any:
    token = hook if isinstance(hook, str) else hook.token
    client = Client(raise_request_exception=False)
    kind = content.get("content_type", "application/json")
    sent = signed(body) if headers is None else headers
    return client.post(f"/hooks/{token}", body, content_type=kind, headers=sent)


def tasks() -> list[Task]:
    with scopes_disabled():
        return list(Task.objects.select_related("question"))


def test_a_signed_call_launches_one_task(acme: House) -> None:
    hook = make_inbound(acme, agent="sales")
    response = call(hook)
    [task] = tasks()
    assert (response.status_code, response.json()) == (202, {"task_id": str(task.pk)})
    assert (task.tenant_id, task.agent_slug) == (acme.id, "sales")
    assert task.question is not None
    assert task.question.content == "New order 7351"
    with tenant_scope(acme.id):
        assert InboundWebhook.objects.get().last_used_at is not None


def test_a_call_that_is_repeated_is_answered_as_before_and_launches_nothing(acme: House) -> None:
    hook = make_inbound(acme)
    first, again = call(hook), call(hook)
    later = call(hook, headers=signed(ORDER, age=200))
    assert first.json() == again.json() == later.json()
    assert again.status_code == 202
    assert len(tasks()) == 1
    assert call(hook, headers=signed(ORDER, webhook_id="msg_2")).json() != first.json()


def test_an_id_is_forgotten_after_a_day(acme: House) -> None:
    hook = make_inbound(acme)
    call(hook)
    with scopes_disabled():
        InboundReceipt.objects.update(received_at=timezone.now() - timedelta(hours=25))
    call(hook)
    assert len(tasks()) == 2


@pytest.mark.django_db(transaction=True)
def test_of_calls_at_the_same_moment_one_launches(acme: House) -> None:
    hook = make_inbound(acme)

    def send(_: int) -> Any:
        try:
            return call(hook)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["task_id"] for answer in answers}) == 1
    assert len(tasks()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("id", "msg_other"),
        ("id", ""),
        ("id", "m" * 256),
        ("timestamp", "0"),
        ("timestamp", "nan"),
        ("timestamp", "1e400"),
        ("timestamp", "soon"),
        ("signature", ""),
        ("signature", "v1"),
        ("signature", "v1,"),
        ("signature", "v1,***"),
        ("signature", "v1,é"),
    ],
)
def test_a_header_that_was_tampered_with_is_refused(acme: House, name: str, text: str) -> None:
    hook = make_inbound(acme)
    headers = signed(ORDER) | {f"webhook-{name}": text}
    assert_problem(call(hook, headers=headers), 401, "signature_invalid")
    assert tasks() == []
    assert call(hook).status_code == 202


def test_what_is_signed_otherwise_is_refused(acme: House) -> None:
    hook, good = make_inbound(acme), signed(ORDER)
    other_version = good["webhook-signature"].replace("v1,", "v2,")
    for headers in (
        {},
        signed(ORDER, secret=make_secret()),
        signed(ORDER + b" "),
        good | {"webhook-signature": other_version},
    ):
        assert_problem(call(hook, headers=headers), 401, "signature_invalid")
    assert tasks() == []


@pytest.mark.parametrize(("age", "status"), [(290, 202), (-290, 202), (310, 401), (-310, 401)])
def test_a_signature_holds_for_five_minutes(acme: House, age: float, status: int) -> None:
    assert call(make_inbound(acme), headers=signed(ORDER, age=age)).status_code == status


def test_one_good_signature_among_several_is_enough(acme: House) -> None:
    hook = make_inbound(acme)
    good = signed(ORDER)
    other = signed(ORDER, secret=make_secret())["webhook-signature"]
    both = good | {"webhook-signature": f"{other} {good['webhook-signature']}"}
    assert call(hook, headers=both).status_code == 202


def test_absent_inactive_and_suspended_look_the_same(acme: House, rival: House) -> None:
    off, theirs = make_inbound(acme, is_active=False), make_inbound(rival)
    rival.tenant.is_active = False
    rival.tenant.save()
    answers = []
    for token in (off.token, theirs.token, "whk_nobody", "x", "%00", "é" * 50, off.token + "x"):
        body = assert_problem(call(token), 404, "not_found")
        answers.append({**body, "request_id": "", "instance": ""})
    assert all(answer == answers[0] for answer in answers)
    assert tasks() == []


def test_a_secret_of_another_tenant_opens_nothing_here(acme: House, rival: House) -> None:
    mine = make_inbound(acme, signing_secret=make_secret())
    theirs = make_inbound(rival)
    assert_problem(call(mine, headers=signed(ORDER)), 401, "signature_invalid")
    call(theirs)
    assert [task.tenant_id for task in tasks()] == [rival.id]
    with tenant_scope(acme.id):
        assert Message.objects.count() == InboundReceipt.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"[1]", 422, "validation_failed"),
        (b'{"a":"\\u0000"}', 400, "invalid_encoding"),
        (b'{"order":1}', 422, "template_failed"),
        (b"{}", 422, "template_failed"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, 400, "too_deep"),
        (b'{"a":"' + b"x" * 1_000_000 + b'"}', 413, "body_too_large"),
    ],
    ids=["broken", "a list", "NUL", "other data", "no data", "deep", "large"],
)
def test_bodies_are_read_as_strictly_as_everywhere(
    acme: House, body: bytes, status: int, code: str
) -> None:
    hook = make_inbound(acme)
    assert_problem(call(hook, body, signed(body)), status, code)
    assert tasks() == []
    with scopes_disabled():
        assert InboundReceipt.objects.count() == 0


def test_bytes_that_are_no_text_are_not_signed(acme: House) -> None:
    assert_problem(call(make_inbound(acme), b"\xff", signed(b"x")), 401, "signature_invalid")


def test_other_media_and_methods_are_refused(acme: House) -> None:
    hook = make_inbound(acme)
    assert_problem(call(hook, content_type="text/plain"), 415, "unsupported_media")
    answer = Client(raise_request_exception=False).get(f"/hooks/{hook.token}")
    assert_problem(answer, 405, "method_not_allowed")


def test_what_is_sent_is_data_and_never_a_template(acme: House) -> None:
    body = json.dumps({"order": {"id": "{{ body }} {% for %}"}}).encode()
    call(make_inbound(acme), body, signed(body))
    assert [task.question.content for task in tasks() if task.question] == [
        "New order {{ body }} {% for %}"
    ]


def test_neither_token_nor_secret_is_stored_in_the_clear(acme: House) -> None:
    hook = make_inbound(acme)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM conversations_inboundwebhook")
        stored = str(cursor.fetchall())
    assert hook.token not in stored
    assert hook.secret.removeprefix("whsec_") not in stored
