from datetime import timedelta
from typing import Any

from django.utils import timezone, translation

from conversations.admin import figures
from conversations.admin.shown import ago, duration, pretty_json
from conversations.models import Session, Task
from prompts.services import save_draft
from routing.models import Agent, LLMEndpoint
from tenants.models import Membership
from tenants.scope import tenant_scope
from tenants.services import issue_api_key
from tests.admin import XSS, Desk, desk_of, make_turn
from tests.cast import House, make_member, make_tenant


def index(desk: Desk) -> Any:
    response = desk.get("index")
    assert response.status_code == 200
    return response


def cards(desk: Desk) -> dict[str, str]:
    return {card.title: card.value for card in index(desk).context["cards"]}


def needs(desk: Desk) -> list[str]:
    return [need.text for need in index(desk).context["needs"]]


def test_it_teaches_the_way_to_the_first_conversation(db: None) -> None:
    tenant = make_tenant("new")
    desk = Desk(make_member(tenant, "owner"), tenant)
    steps = index(desk).context["first_steps"]
    assert [step.is_done for step in steps] == [False] * 4
    page = index(desk).content.decode()
    assert "Welcome to New" in page
    assert "/admin/routing/llmendpoint/" in page


def test_what_is_done_is_ticked_off(acme: House) -> None:
    steps = index(desk_of(acme)).context["first_steps"]
    assert [step.is_done for step in steps] == [True, True, True, False]


def test_it_teaches_each_role_what_it_may_do(acme: House) -> None:
    for role, number in ((Membership.Role.EDITOR, 2), (Membership.Role.VIEWER, 0)):
        desk = Desk(make_member(acme.tenant, str(role), role), acme.tenant)
        assert len(index(desk).context["first_steps"]) == number


def test_it_counts_today(acme: House, rival: House) -> None:
    made = [make_turn(acme.tenant) for _ in range(3)]
    make_turn(rival.tenant)
    now = timezone.now()
    with tenant_scope(acme.id):
        Task.objects.filter(pk=made[0].pk).update(status="failed")
        for number, task in enumerate(made):
            Task.objects.filter(pk=task.pk).update(
                started_at=now, finished_at=now + timedelta(seconds=number + 1)
            )
    assert cards(desk_of(acme)) == {
        "Conversations today": "3",
        "Tasks today": "3",
        "Failed today": "1",
        "Answered within": "3.0 s",
        "Tokens today": "126",
    }
    assert "1 task failed today" in needs(desk_of(acme))


def test_yesterday_is_not_today(acme: House) -> None:
    task = make_turn(acme.tenant)
    yesterday = timezone.now() - timedelta(days=1)
    with tenant_scope(acme.id):
        Task.objects.filter(pk=task.pk).update(created_at=yesterday)
        Session.objects.update(last_activity_at=yesterday)
        days = figures.read_days()
        assert [day.tasks for day in days[-2:]] == [1, 0]
        assert len(days) == figures.CHART_DAYS
    shown = cards(desk_of(acme))
    assert (shown["Conversations today"], shown["Tasks today"]) == ("0", "0")


def test_it_says_what_waits_for_somebody(acme: House) -> None:
    task = make_turn(acme.tenant)
    with tenant_scope(acme.id):
        Task.objects.filter(pk=task.pk).update(status="input_required")
        save_draft(prompt=acme.agents["sales"].prompt, source="Nuevo.")
        acme.agents["desk"].prompt.versions.all().delete()
        Agent.objects.update(is_fallback=False)
        LLMEndpoint.objects.update(is_default=False)
        soon = timezone.now() + timedelta(days=3)
        issue_api_key(tenant=acme.tenant, name="k", scopes=["chat:write"], expires_at=soon)
    assert needs(desk_of(acme)) == [
        "1 task waits for a person",
        "“Desk” has no published prompt",
        "No agent is the fallback",
        "No LLM endpoint is the default",
        "1 draft is not published",
        "1 API key expires soon",
    ]
    viewer = Desk(make_member(acme.tenant, "v", Membership.Role.VIEWER), acme.tenant)
    assert needs(viewer) == ["1 task waits for a person"]


def test_a_calm_day_says_so(acme: House) -> None:
    make_turn(acme.tenant)
    assert "Nothing waits for you." in index(desk_of(acme)).content.decode()


def test_it_shows_the_last_tasks_and_who_answered(acme: House) -> None:
    task = make_turn(acme.tenant, user_name=XSS)
    page = index(desk_of(acme)).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert f"/admin/conversations/task/{task.pk}/change/" in page
    assert "1 · 420 ms · 42 tokens" in page


def test_times_are_said_as_people_say_them() -> None:
    translation.activate("en")
    said = {412: "412 ms", 4_700: "4.7 s", 59_900: "59.9 s", 125_000: "2 min 5 s", 0: "0 ms"}
    assert {value: duration(value) for value in said} == said
    assert duration(timedelta(seconds=1.5)) == "1.5 s"
    assert duration(None) == ""
    now = timezone.now()
    spans = {5: "just now", 300: "5 min ago", 7_300: "2 h ago", 200_000: "2 d ago"}
    assert {span: ago(now - timedelta(seconds=span)) for span in spans} == spans
    assert ago(now + timedelta(hours=1)) == "just now"
    assert pretty_json({"a": {"b": "é"}}) == '{\n  "a": {\n    "b": "é"\n  }\n}'
