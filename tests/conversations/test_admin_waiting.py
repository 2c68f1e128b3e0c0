from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.admin import XSS, Desk, desk_of
from tests.cast import House
from tests.conversations.waiting import make_waiting

BADGE = '<span class="ork-badge">'


def page_of(desk: Desk, name: str = "routing_agent_changelist") -> str:
    content: str = desk.get(name).content.decode()
    return content


def needs(desk: Desk) -> list[tuple[str, str]]:
    return [(need.text, need.href) for need in desk.get("index").context["needs"]]


def test_every_page_says_how_many_wait(acme: House, rival: House) -> None:
    make_waiting(rival)
    assert BADGE not in page_of(desk_of(acme))
    for _ in range(2):
        make_waiting(acme)
    make_waiting(acme, status="answered")
    assert f"{BADGE}2</span>" in page_of(desk_of(acme))
    assert f"{BADGE}1</span>" in page_of(desk_of(rival))


def test_many_are_not_counted_one_by_one(acme: House, monkeypatch: Any) -> None:
    monkeypatch.setattr("conversations.admin.inbox.MOST_COUNTED", 3)
    for _ in range(4):
        make_waiting(acme)
    assert f"{BADGE}2+</span>" in page_of(desk_of(acme))


def test_the_dashboard_lists_what_waits(acme: House) -> None:
    make_waiting(acme, kind="outcome")
    make_waiting(acme, "¿Cuántos metros son?", kind="question", tool_name="")
    asked = make_waiting(acme)
    shown = needs(desk_of(acme))
    assert shown[0][0] == "3 tasks wait for a person"
    assert [text for text, _ in shown[1:4]] == [
        "Approve the call of “refund”",
        "¿Cuántos metros son?",
        "What became of the call of “refund”?",
    ]
    assert shown[1][1] == f"/admin/conversations/inputrequest/{asked.pk}/change/"
    spanish = desk_of(acme)
    spanish.client.cookies["django_language"] = "es"
    assert needs(spanish)[1][0] == "Aprobar la llamada de «refund»"


def test_a_question_is_shown_as_text_and_not_whole(acme: House) -> None:
    make_waiting(acme, XSS + "x" * 500, kind="question", tool_name="")
    page = page_of(desk_of(acme), "index")
    assert "&lt;script&gt;alert" in page
    assert "<script>alert" not in page
    assert "x" * 200 not in page


def test_it_is_read_once_for_a_page(acme: House) -> None:
    make_waiting(acme)
    desk = desk_of(acme)
    with CaptureQueriesContext(connection) as queries:
        desk.get("index")
    about = [one for one in queries if "conversations_inputrequest" in one["sql"]]
    assert len(about) == 1
