from typing import Any

import pytest

from conversations.input_models import InputRequest
from conversations.models import Task
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of
from tests.cast import House, make_member
from tests.conversations.waiting import make_waiting

LIST, PAGE = "conversations_inputrequest_changelist", "conversations_inputrequest_change"


def read(house: House, asked: InputRequest) -> tuple[str, str, str]:
    with tenant_scope(house.id):
        row = InputRequest.objects.select_related("task").get(pk=asked.pk)
        return row.task.status, row.status, row.answered_by


def shown(desk: Desk, page: str, *args: Any) -> str:
    response = desk.get(page, *args)
    assert response.status_code == 200
    return response.content.decode()


def test_the_inbox_shows_what_waits_first(acme: House) -> None:
    make_waiting(acme, "¿Cuántos metros?", kind="question", tool_name="", status="answered")
    make_waiting(acme)
    page = shown(desk_of(acme), LIST)
    assert page.index("refund") < page.index("¿Cuántos metros?")
    assert "Rosa" in page


def test_a_press_on_approve_lets_the_task_go_on(acme: House) -> None:
    asked = make_waiting(acme)
    desk = desk_of(acme)
    page = shown(desk, PAGE, asked.pk)
    assert "May the agent call «refund» with these arguments?" in page
    assert "TUB-050" in page
    assert desk.post(PAGE, asked.pk, action="approve").status_code == 302
    assert read(acme, asked) == ("queued", "approved", "owner-acme")
    assert "The call has been approved" in shown(desk, LIST)


def test_a_question_is_answered_in_words(acme: House) -> None:
    asked = make_waiting(acme, "¿Cuántos metros?", kind="question", tool_name="")
    desk = desk_of(acme)
    refused = desk.post(PAGE, asked.pk, action="answer", text="  ")
    assert refused.status_code == 422
    assert "at least one visible character" in refused.content.decode()
    assert desk.post(PAGE, asked.pk, action="answer", text="Diez").status_code == 302
    assert read(acme, asked)[:2] == ("queued", "answered")


@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", "\x00"])
def test_arguments_that_are_no_object_are_refused_and_kept(acme: House, arguments: str) -> None:
    asked = make_waiting(acme)
    refused = desk_of(acme).post(PAGE, asked.pk, action="edit", arguments=arguments)
    assert refused.status_code == 422
    assert read(acme, asked)[0] == "input_required"


def test_the_second_press_is_told_that_somebody_was_quicker(acme: House) -> None:
    asked = make_waiting(acme)
    desk = desk_of(acme)
    desk.post(PAGE, asked.pk, action="reject")
    desk.post(PAGE, asked.pk, action="approve")
    assert "Somebody else was quicker" in shown(desk, LIST)
    assert read(acme, asked)[:2] == ("queued", "rejected")


def test_a_viewer_sees_and_cannot_answer(acme: House) -> None:
    asked = make_waiting(acme)
    desk = Desk(make_member(acme.tenant, "eve", Membership.Role.VIEWER), acme.tenant)
    assert 'value="approve"' not in shown(desk, PAGE, asked.pk)
    assert desk.post(PAGE, asked.pk, action="approve").status_code == 403
    assert read(acme, asked)[0] == "input_required"


def test_a_form_of_another_tenant_and_a_foreign_request_do_nothing(
    acme: House, rival: House
) -> None:
    asked = make_waiting(acme)
    assert desk_of(rival).get(PAGE, asked.pk).status_code == 404
    assert desk_of(rival).post(PAGE, asked.pk, action="approve").status_code == 404
    stale = Desk(acme.owner, rival.tenant)
    assert stale.post(PAGE, asked.pk, action="approve").status_code == 409
    assert read(acme, asked)[0] == "input_required"


def test_what_a_model_or_a_person_wrote_is_escaped(acme: House) -> None:
    values = {"kind": "question", "tool_name": "", "arguments": {}}
    asked = make_waiting(acme, XSS, **values)
    done = make_waiting(acme, XSS, **values)
    desk = desk_of(acme)
    desk.post(PAGE, done.pk, action="answer", text=XSS)
    with tenant_scope(acme.id):
        task = Task.objects.get(pk=done.task_id)
    pages = [
        shown(desk, LIST),
        shown(desk, PAGE, asked.pk),
        shown(desk, PAGE, done.pk),
        shown(desk, "conversations_task_change", task.pk),
        shown(desk, "conversations_session_change", task.session_id),
    ]
    assert all("<script>alert" not in page and "alert(&#x27;x" in page for page in pages)


def test_the_request_is_shown_with_its_task_and_in_the_transcript(acme: House) -> None:
    asked = make_waiting(acme, "¿Cuántos metros?", kind="question", tool_name="")
    with tenant_scope(acme.id):
        session_id = Task.objects.get(pk=asked.task_id).session_id
    desk = desk_of(acme)
    assert "¿Cuántos metros?" in shown(desk, "conversations_task_change", asked.task_id)
    assert "¿Cuántos metros?" in shown(desk, "conversations_session_change", session_id)


def test_a_page_of_the_inbox_costs_a_fixed_number_of_queries(
    acme: House, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        make_waiting(acme)
    desk = desk_of(acme)
    shown(desk, LIST)
    with django_assert_max_num_queries(14):
        shown(desk, LIST)
