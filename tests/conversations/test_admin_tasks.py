from typing import Any

import pytest

from conversations.models import Step, Task
from conversations.services import post_message
from tenants.principals import Principal, Scope
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of, make_turn
from tests.cast import House


def queued(house: House, **values: Any) -> Task:
    principal = Principal(house.id, house.tenant.slug, None, "test", frozenset(Scope))
    with tenant_scope(house.id):
        task = post_message(principal=principal, message="hola").task
        Task.objects.filter(pk=task.pk).update(**values)
        return Task.objects.get(pk=task.pk)


def status(house: House, task: Task) -> tuple[str, str]:
    with tenant_scope(house.id):
        row = Task.objects.get(pk=task.pk)
        return row.status, row.wanted


def said(desk: Desk) -> str:
    return desk.get("conversations_task_changelist").content.decode()


def test_the_list_shows_state_agent_cost_and_steps(acme: House) -> None:
    make_turn(acme.tenant)
    page = said(desk_of(acme))
    for shown in ("Lucía", "Sales", "Completed", ">42<", "rule «price»", "orkesta-offline"):
        assert shown in page


def test_the_timeline_tells_each_step_with_its_reason(acme: House) -> None:
    task = make_turn(acme.tenant, "¿Hay tubos?", "Sí.")
    page = desk_of(acme).get("conversations_task_change", task.pk).content.decode()
    for shown in ("1. Route", "rule «price»", "2. LLM call", "30 → 12 tokens", "420 ms"):
        assert shown in page
    assert "&quot;role&quot;: &quot;user&quot;" in page, "the input is folded beneath"
    assert f"/admin/conversations/session/{task.session_id}/change/" in page


def test_a_failed_task_says_what_went_wrong(acme: House) -> None:
    task = make_turn(acme.tenant)
    with tenant_scope(acme.id):
        Task.objects.update(status="failed", error_code="llm_timeout", error_detail="No answer.")
        Step.objects.filter(number=2).update(status="failed")
    page = desk_of(acme).get("conversations_task_change", task.pk).content.decode()
    assert "llm_timeout" in page
    assert "No answer." in page
    assert "ork-stop-failed" in page


def test_the_timeline_runs_nothing_and_cuts_what_is_huge(acme: House) -> None:
    task = make_turn(acme.tenant, XSS, XSS, user_name=XSS)
    with tenant_scope(acme.id):
        Task.objects.update(error_code=XSS[:60], error_detail=XSS)
        Step.objects.filter(number=1).update(
            reason=XSS, llm=XSS[:100], input={XSS: [XSS]}, output={"text": "x" * 300_000}
        )
    page = desk_of(acme).get("conversations_task_change", task.pk).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert" in page
    assert len(page) < 150_000


def test_a_task_is_cancelled_after_a_question(acme: House) -> None:
    task, desk = queued(acme), desk_of(acme)
    assert "/cancel/" in desk.get("conversations_task_change", task.pk).content.decode()
    assert "Stop this task?" in desk.get("conversations_task_cancel", task.pk).content.decode()
    assert status(acme, task)[0] == "queued"
    response = desk.post("conversations_task_cancel", task.pk, _form_submitted="on")
    assert response.status_code == 302
    assert status(acme, task)[0] == "cancelled"
    assert "The task is being cancelled." in said(desk)


def test_a_dialog_tells_the_browser_where_to_go(acme: House) -> None:
    task, desk = queued(acme), desk_of(acme)
    response = desk.client.post(
        f"/admin/conversations/task/{task.pk}/cancel/",
        {"_form_submitted": "on"},
        headers={"HX-Request": "true"},
    )
    assert response["HX-Redirect"] == f"/admin/conversations/task/{task.pk}/change/"


def test_only_fit_tasks_are_cancelled_and_counted(acme: House, rival: House) -> None:
    tasks = [queued(acme), queued(acme, status="processing"), make_turn(acme.tenant)]
    tasks.append(queued(acme, status="cancelled"))
    foreign, desk = queued(rival), desk_of(acme)
    chosen = [task.pk for task in (*tasks, foreign)]
    form = {"action": "cancel_selected", "_selected_action": chosen, "index": 0}
    desk.post("conversations_task_changelist", **form)
    assert "2 tasks cancelled." in said(desk)
    assert [status(acme, task) for task in tasks] == [
        ("cancelled", ""),
        ("processing", "cancel"),
        ("completed", ""),
        ("cancelled", ""),
    ]
    assert status(rival, foreign)[0] == "queued"


def test_a_task_that_ended_offers_no_cancel(acme: House) -> None:
    task, desk = make_turn(acme.tenant), desk_of(acme)
    assert "/cancel/" not in desk.get("conversations_task_change", task.pk).content.decode()
    desk.post("conversations_task_cancel", task.pk, _form_submitted="on")
    assert "has ended already" in said(desk)
    assert status(acme, task)[0] == "completed"


@pytest.mark.parametrize("place", ["add", "change", "delete"])
def test_a_task_is_looked_at_and_never_changed(acme: House, place: str) -> None:
    task, desk = make_turn(acme.tenant), desk_of(acme)
    args = [] if place == "add" else [task.pk]
    desk.post(f"conversations_task_{place}", *args, post="yes", status="failed", priority=1)
    assert status(acme, task) == ("completed", "")


def test_tasks_are_found_by_customer_error_and_id(acme: House) -> None:
    task = make_turn(acme.tenant, user_name="Pablo")
    make_turn(acme.tenant, user_name="Ana")
    desk = desk_of(acme)
    for term in ("pablo", str(task.pk), task.pk.hex[-8:]):
        found = desk.get("conversations_task_changelist", q=term).context["cl"].result_list
        assert [row.pk for row in found] == [task.pk], term
