from typing import Any

import pytest

from conversations.models import Session, Step, Task
from conversations.services import post_message
from tenants.principals import Principal, Scope
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of, make_turn
from tests.cast import House, make_member


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


def pick(desk: Desk, verb: str, tasks: list[Task], **form: str) -> str:
    chosen = [task.pk for task in tasks]
    form = {"action": f"{verb}_selected", "index": "0", **form}
    response = desk.post("conversations_task_changelist", _selected_action=chosen, **form)
    return response.content.decode()


def test_only_fit_tasks_are_cancelled_and_counted(acme: House, rival: House) -> None:
    tasks = [queued(acme), queued(acme, status="processing"), make_turn(acme.tenant)]
    tasks.append(queued(acme, status="cancelled"))
    foreign, desk = queued(rival), desk_of(acme)
    question = pick(desk, "cancel", [*tasks, foreign])
    assert "2 tasks are fit for it." in question
    assert "2 others are left as they are." in question
    assert status(acme, tasks[0])[0] == "queued", "it asks first"
    pick(desk, "cancel", [*tasks, foreign], confirmed="yes")
    assert "2 tasks cancelled." in said(desk)
    assert [status(acme, task) for task in tasks] == [
        ("cancelled", ""),
        ("processing", "cancel"),
        ("completed", ""),
        ("cancelled", ""),
    ]
    assert status(rival, foreign)[0] == "queued"


@pytest.mark.parametrize(
    ("verb", "frm", "to"),
    [
        ("pause", "queued", "paused"),
        ("resume", "paused", "queued"),
        ("cancel", "input_required", "cancelled"),
        ("retry", "failed", "failed"),
    ],
)
def test_many_are_moved_at_once(acme: House, verb: str, frm: str, to: str) -> None:
    tasks, desk = [queued(acme, status=frm) for _ in range(2)], desk_of(acme)
    pick(desk, verb, tasks, confirmed="yes")
    assert [status(acme, task)[0] for task in tasks] == [to, to]
    with tenant_scope(acme.id):
        assert Task.objects.filter(forked_from__in=tasks).count() == 2 * (verb == "retry")


def test_what_fits_nothing_is_said_without_a_question(acme: House) -> None:
    desk = desk_of(acme)
    pick(desk, "resume", [make_turn(acme.tenant)])
    assert "0 tasks resumed." in said(desk)


OFFERED = {
    "queued": {"pause", "cancel"},
    "processing": {"pause", "cancel"},
    "paused": {"resume", "cancel"},
    "input_required": {"cancel"},
    "completed": {"fork"},
    "failed": {"retry", "fork"},
    "cancelled": {"retry", "fork"},
}
VERBS = ("pause", "resume", "retry", "fork", "cancel")


@pytest.mark.parametrize("frm", OFFERED)
def test_a_task_offers_what_its_state_allows_and_does_nothing_else(acme: House, frm: str) -> None:
    desk = desk_of(acme)
    page = desk.get("conversations_task_change", queued(acme, status=frm).pk).content.decode()
    assert {verb for verb in VERBS if f"/{verb}/" in page} == OFFERED[frm]
    for verb in set(VERBS) - OFFERED[frm]:
        task = queued(acme, status=frm)
        desk.post(f"conversations_task_{verb}", task.pk, _form_submitted="on", after_step="0")
        assert status(acme, task) == (frm, ""), verb
        assert "Nothing was done. The task is: " in said(desk)
        with tenant_scope(acme.id):
            assert not Task.objects.filter(forked_from=task).exists()


@pytest.mark.parametrize("verb", VERBS)
def test_a_viewer_is_offered_nothing_and_may_do_nothing(acme: House, verb: str) -> None:
    [frm] = [frm for frm, verbs in OFFERED.items() if verb in verbs][:1]
    task, desk = queued(acme, status=frm), Desk(make_member(acme.tenant, "eye", "viewer"))
    desk.tenant = acme.tenant
    page = desk.get("conversations_task_change", task.pk).content.decode()
    assert not [verb for verb in VERBS if f"/{verb}/" in page]
    form = {"_form_submitted": "on", "after_step": "0"}
    assert desk.get(f"conversations_task_{verb}", task.pk).status_code == 403
    assert desk.post(f"conversations_task_{verb}", task.pk, **form).status_code == 403
    pick(desk, verb, [task], confirmed="yes")
    assert status(acme, task) == (frm, "")
    assert "/cancel/" not in desk.get("conversations_task_live").content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_another_tenants_task_is_not_there(acme: House, rival: House, verb: str) -> None:
    [frm] = [frm for frm, verbs in OFFERED.items() if verb in verbs][:1]
    task, desk = queued(rival, status=frm), desk_of(acme)
    form = {"_form_submitted": "on", "after_step": "0"}
    assert desk.get(f"conversations_task_{verb}", task.pk).status_code == 404
    assert desk.post(f"conversations_task_{verb}", task.pk, **form).status_code == 404
    assert status(rival, task) == (frm, "")


def test_a_task_is_forked_after_the_step_that_was_chosen(acme: House) -> None:
    task, desk = make_turn(acme.tenant), desk_of(acme)
    page = desk.get("conversations_task_change", task.pk).content.decode()
    assert f"/{task.pk}/fork/?after=1" in page
    dialog = desk.get("conversations_task_fork", task.pk, after=1).content.decode()
    assert "None: begin again" in dialog
    assert '<option value="1" selected>Up to 1. Route</option>' in dialog
    desk.post("conversations_task_fork", task.pk, _form_submitted="on", after_step="1")
    with tenant_scope(acme.id):
        fork = Task.objects.get(forked_from=task)
        assert [step.kind for step in fork.steps.all()] == ["route"]
    page = desk.get("conversations_task_change", fork.pk).content.decode()
    assert f"/task/{task.pk}/change/" in page, "where it was taken up from"
    assert "This new task takes up the work." in page


def test_a_fork_from_nowhere_is_asked_again(acme: House) -> None:
    task, desk = make_turn(acme.tenant), desk_of(acme)
    desk.post("conversations_task_fork", task.pk, _form_submitted="on", after_step="7")
    with tenant_scope(acme.id):
        assert Task.objects.count() == 1


def test_who_tries_again_in_a_closed_conversation_is_told(acme: House) -> None:
    task, desk = queued(acme, status="failed"), desk_of(acme)
    with tenant_scope(acme.id):
        Session.objects.update(status="closed")
    desk.post("conversations_task_retry", task.pk, _form_submitted="on")
    assert "the conversation has been closed" in said(desk)


def test_the_tracker_shows_what_runs_and_answers_only_when_there_is_news(
    acme: House, rival: House
) -> None:
    queued(rival)
    done, task, desk = make_turn(acme.tenant), queued(acme, status="processing"), desk_of(acme)
    response = desk.get("conversations_task_live")
    page = response.content.decode()
    cards = response.context["cards"]
    assert [card.task.pk for card in cards] == [task.pk, done.pk], "what runs goes first"
    assert [list(card.parts) for card in cards] == [["running", "ahead"], ["done", "done"]]
    assert f"/{task.pk}/pause/" in page
    assert f"/{done.pk}/pause/" not in page
    seen = response.context["mark"]
    assert desk.get("conversations_task_live", seen=seen).status_code == 204
    with tenant_scope(acme.id):
        Task.objects.filter(pk=task.pk).update(status="paused")
    assert desk.get("conversations_task_live", seen=seen).status_code == 200


def test_a_tasks_page_follows_it(acme: House) -> None:
    task, desk = queued(acme, status="processing"), desk_of(acme)
    page = desk.get("conversations_task_change", task.pk)
    address = f"/admin/conversations/task/{task.pk}/change/"
    asked = {"seen": page.context["mark"], "state": page.context["state"]}

    def ask() -> Any:
        return desk.client.get(address, asked, headers={"HX-Request": "true"})

    assert ask().status_code == 204
    with tenant_scope(acme.id):
        Task.objects.filter(pk=task.pk).update(num_steps=1)
        Step.objects.create(task=task, number=1, kind="route", attempt=1, reason="rule «x»")
    part = ask().content.decode()
    assert "rule «x»" in part
    assert "<html" not in part
    with tenant_scope(acme.id):
        Task.objects.filter(pk=task.pk).update(status="completed")
    assert ask()["HX-Refresh"] == "true"
    assert "?seen=" not in desk.get("conversations_task_change", task.pk).content.decode()


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
