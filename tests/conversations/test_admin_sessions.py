from django.utils import timezone

from conversations.admin.transcript import PAGE_MESSAGES
from conversations.models import Message, Session, Task
from tenants.scope import tenant_scope
from tests.admin import XSS, desk_of, make_turn
from tests.cast import House


def transcript(house: House, task: Task, **query: object) -> str:
    page = desk_of(house).get("conversations_session_change", task.session_id, **query)
    assert page.status_code == 200
    return page.content.decode()


def test_the_list_shows_who_said_what_last_and_to_whom(acme: House) -> None:
    agent = acme.agents["sales"]
    make_turn(acme.tenant, "¿Hay tubos?", "Sí,\n hay 12.", active_agent=agent)
    page = desk_of(acme).get("conversations_session_changelist").content.decode()
    for shown in ("Lucía", "c-1", "Sí, hay 12.", "Sales", "Open", "just now"):
        assert shown in page


def test_the_list_is_searched_and_filtered(acme: House) -> None:
    make_turn(acme.tenant, user_name="Ana")
    make_turn(acme.tenant, user_name="Pablo", status="closed")
    desk = desk_of(acme)
    found = desk.get("conversations_session_changelist", q="pablo").context["cl"].result_list
    assert [session.user_name for session in found] == ["Pablo"]
    found = desk.get("conversations_session_changelist", status__exact="open").context["cl"]
    assert [session.user_name for session in found.result_list] == ["Ana"]


def test_the_transcript_tells_who_answered_and_what_it_took(acme: House) -> None:
    task = make_turn(acme.tenant, "¿Hay tubos?", "Sí, hay 12.")
    page = transcript(acme, task)
    assert "¿Hay tubos?" in page
    assert "Sí, hay 12." in page
    assert "Sales · 42 tokens · 420 ms" in page
    assert f"/admin/conversations/task/{task.pk}/change/" in page


def test_a_question_without_an_answer_says_why(acme: House) -> None:
    task = make_turn(acme.tenant)
    with tenant_scope(acme.id):
        Message.objects.filter(role="assistant").delete()
        Task.objects.update(status="failed", error_code="llm_timeout")
    page = transcript(acme, task)
    assert "Failed" in page
    assert "llm_timeout" in page


def test_an_agent_that_was_deleted_keeps_its_slug(acme: House) -> None:
    task = make_turn(acme.tenant)
    with tenant_scope(acme.id):
        acme.agents["sales"].delete()
    assert "sales · 42 tokens" in transcript(acme, task)


def test_a_long_transcript_comes_in_pages(acme: House) -> None:
    task = make_turn(acme.tenant)
    with tenant_scope(acme.id):
        Message.objects.bulk_create(
            Message(
                tenant_id=acme.id,
                session=task.session,
                seq=number,
                turn=number,
                role="system",
                content=f"line {number}.",
            )
            for number in range(10, 10 + PAGE_MESSAGES + 20)
        )
    newest = transcript(acme, task)
    assert "line 129." in newest
    assert "line 29." not in newest
    assert "?before=30" in newest
    older = transcript(acme, task, before=30)
    assert "line 29." in older
    assert "line 30." not in older
    assert "Earlier messages" not in older
    for garbled in ("", "x", "-1", "9" * 30, "٣"):
        assert transcript(acme, task, before=garbled)


def test_the_transcript_runs_nothing_that_was_said(acme: House) -> None:
    task = make_turn(
        acme.tenant, XSS, XSS, user_name=XSS, user_ref=XSS, context={"a": XSS}, metadata={XSS: 1}
    )
    page = transcript(acme, task)
    assert page.count("&lt;script&gt;alert") >= 5
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_session_is_looked_at_and_never_changed(acme: House) -> None:
    task, desk = make_turn(acme.tenant), desk_of(acme)
    page = transcript(acme, task)
    assert 'name="_save"' not in page
    desk.post("conversations_session_change", task.session_id, user_name="Hacked", status="closed")
    for place in ("delete", "add"):
        args = [task.session_id] if place == "delete" else []
        assert desk.post(f"conversations_session_{place}", *args, post="yes").status_code == 403
    with tenant_scope(acme.id):
        session = Session.objects.get()
        assert (session.user_name, session.status) == ("Lucía", "open")
        assert session.last_activity_at <= timezone.now()
