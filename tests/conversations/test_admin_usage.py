from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from conversations.admin.usage_figures import forecast_of, percent_of
from conversations.models import Event, Task
from conversations.services.budget import list_paused_by_budget, set_budget
from orkesta.errors import Invalid
from tenants.admin.money import dollars
from tenants.models import Membership
from tenants.scope import tenant_scope
from tenants.usage_models import Budget
from tests.admin import Desk, desk_of, make_turn
from tests.cast import House, make_member
from tests.tenants.usage.rows import use

PAGE = "tenants_usageday_changelist"


def paused(house: House, reason: str) -> Task:
    task = make_turn(house.tenant)
    with tenant_scope(house.id):
        Task.objects.filter(pk=task.pk).update(status="paused")
        for seq, data in (
            (10, {"status": "processing"}),
            (11, {"status": "paused"} | {"reason": reason}),
        ):
            Event.objects.create(
                session=task.session, task=task, seq=seq, type="task.status_changed", data=data
            )
    return task


def status_of(house: House, task: Task) -> str:
    with tenant_scope(house.id):
        return Task.objects.get(pk=task.pk).status


def budget_form(**values: Any) -> dict[str, Any]:
    return {"money_per_month": "5", "alert_percent": "80", "is_hard": "on"} | values


def test_it_shows_what_this_month_costs_and_who_spends_it(acme: House, rival: House) -> None:
    use(acme.tenant, cost_nano=4_000_000_000)
    use(acme.tenant, agent_slug="", llm="mystery", price_source="unknown", cost_nano=10**9)
    use(rival.tenant, llm="canary", cost_nano=10**12)
    with tenant_scope(acme.id):
        Budget.objects.create(money_per_month=10)
    text = desk_of(acme).get(PAGE).content.decode()
    for told in ("US$ 5.00", "US$ 10.00", "50 % used", "Sales", "Supervisor", "mystery ≈"):
        assert told in text, told
    assert "canary" not in text


def test_the_dashboard_warns_of_the_budget(acme: House) -> None:
    paused(acme, "budget")
    use(acme.tenant, cost_nano=8_000_000_000)
    with tenant_scope(acme.id):
        Budget.objects.create(money_per_month=10)
    needs = [need.text for need in desk_of(acme).get("index").context["needs"]]
    assert needs[:2] == ["1 task waits for budget", "80 % of the month's budget is spent"]


def test_raise_and_continue(acme: House) -> None:
    mine, by_hand = paused(acme, "budget"), paused(acme, "paused")
    desk = desk_of(acme)
    assert "Raise and continue" in desk.get(PAGE).content.decode()
    assert desk.post(PAGE, **budget_form()).status_code == 302
    assert (status_of(acme, mine), status_of(acme, by_hand)) == ("queued", "paused")
    with tenant_scope(acme.id):
        assert Budget.objects.get().money_per_month == 5
        assert not list_paused_by_budget().exists()


def test_nobody_resumes_another_tenants_tasks(acme: House, rival: House) -> None:
    theirs = paused(rival, "budget")
    assert desk_of(acme).post(PAGE, **budget_form()).status_code == 302
    assert status_of(rival, theirs) == "paused"


def test_a_tenant_cannot_allow_itself_more_than_its_tier_does(acme: House) -> None:
    acme.tenant.tier.money_per_month = Decimal(4)
    acme.tenant.tier.save()
    page = desk_of(acme).post(PAGE, **budget_form())
    assert "Your tier allows less." in page.content.decode()
    with tenant_scope(acme.id):
        assert not Budget.objects.exists()
        with pytest.raises(Invalid):
            set_budget(tenant_id=acme.id, dollars=Decimal(5), is_hard=True, alert_percent=80)


def test_editors_look_owners_set_and_viewers_do_neither(acme: House) -> None:
    editor = Desk(make_member(acme.tenant, "ed", Membership.Role.EDITOR), acme.tenant)
    assert editor.get(PAGE).status_code == 200
    assert editor.post(PAGE, **budget_form()).status_code == 403
    viewer = Desk(make_member(acme.tenant, "vi", Membership.Role.VIEWER), acme.tenant)
    assert viewer.get(PAGE).status_code == 403


def test_a_budget_shown_under_another_tenant_is_not_saved(acme: House, rival: House) -> None:
    desk = desk_of(acme)
    desk.tenant = rival.tenant
    assert desk.post(PAGE, **budget_form()).status_code == 409


def test_the_month_is_told_from_what_it_has_been() -> None:
    assert forecast_of(10 * 10**9, date(2026, 11, 15)) == 20 * 10**9
    assert forecast_of(10 * 10**9, date(2026, 11, 30)) == 10 * 10**9
    assert percent_of(8 * 10**9, Decimal(10)) == 80
    assert percent_of(0, Decimal(0)) == 100
    assert [dollars(nano) for nano in (0, 18_600, 683_000, 12_345_678_900)] == [
        "US$ 0.00",
        "US$ 0.000019",
        "US$ 0.0007",
        "US$ 12.35",
    ]
