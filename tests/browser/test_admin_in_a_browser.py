from typing import Any

import pytest

from conversations.models import Task
from prompts.services import save_draft
from routing.models import RoutingRule
from tenants.models import ApiKey, Membership
from tenants.scope import scopes_disabled, tenant_scope
from tests.admin import XSS, make_turn
from tests.browser.chromium import DESKTOP, PHONE, signed_in
from tests.cast import House, make_rule

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LISTS = (
    "conversations/session",
    "conversations/task",
    "conversations/task/live",
    "routing/agent",
    "prompts/prompt",
    "routing/routingrule",
    "routing/llmendpoint",
    "tenants/membership",
    "tenants/apikey",
)


def pages_of(house: House) -> list[str]:
    """The address of every kind of page of a tenant, with something nasty to show on each."""
    task = make_turn(house.tenant, XSS, XSS, user_name=XSS)
    agent, rule = house.agents["sales"], house.rules[0]
    with tenant_scope(house.id):
        draft = save_draft(prompt=agent.prompt, source=XSS)
        old = agent.prompt.versions.get(number=1)
    version = f"prompts/prompt/{draft.prompt_id}/versions/{draft.pk}/"
    rows = [
        f"conversations/session/{task.session_id}/change/",
        f"conversations/task/{task.pk}/change/",
        f"routing/agent/{agent.pk}/change/",
        f"routing/routingrule/{rule.pk}/change/",
        f"routing/llmendpoint/{house.endpoint.pk}/change/",
        f"prompts/prompt/{draft.prompt_id}/change/",
        version,
        f"{version}compare/{old.pk}/",
    ]
    forms = ["tenants/apikey/add/", "tenants/membership/add/", "prompts/prompt/add/"]
    return ["", *(f"{name}/" for name in LISTS), *rows, *forms]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_fits_and_complains_of_nothing(
    acme: House, live_server: Any, size: dict[str, int]
) -> None:
    pages = pages_of(acme)
    with signed_in(live_server.url, "owner-acme", size=size, language="es") as visit:
        for path in pages:
            page = visit.open(f"/admin/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        assert visit.complaints == []
        assert visit.hosts == {"localhost"}


def test_rules_are_tried_dragged_and_changed_in_kind(acme: House, live_server: Any) -> None:
    make_rule(acme.tenant, acme.agents["desk"], ["hours"], name="second")
    with signed_in(live_server.url, "owner-acme") as visit:
        page = visit.open("/admin/routing/routingrule/")
        page.fill("input[name=message]", "what is the price?")
        page.keyboard.press("Enter")
        page.get_by_text("“rule 0” decides: Sales answers.").wait_for()
        handles = page.locator("#result_list .cursor-move")
        handles.nth(2).drag_to(handles.nth(0))
        page.get_by_role("button", name="Save").click()
        page.get_by_text("changed successfully").wait_for()
        page = visit.open("/admin/routing/routingrule/add/")
        assert page.locator("#id_keywords").is_visible()
        page.select_option("#id_kind", "regex")
        page.locator("#id_pattern").wait_for()
        assert not page.locator("#id_keywords").is_visible()
        assert visit.complaints == []
    with tenant_scope(acme.id):
        names = RoutingRule.objects.order_by("position").values_list("name", flat=True)
        assert list(names) == ["second", "rule 0"]


def test_a_draft_is_looked_at_while_it_is_written(acme: House, live_server: Any) -> None:
    with tenant_scope(acme.id):
        draft = save_draft(prompt=acme.agents["sales"].prompt, source="Draft.")
    with signed_in(live_server.url, "owner-acme") as visit:
        page = visit.open(f"/admin/prompts/prompt/{draft.prompt_id}/versions/{draft.pk}/")
        page.fill("#id_source", "You work for {{ tenant.name }}.")
        page.get_by_text("You work for Acme.").wait_for()
        page.fill("#id_source", "Fine.\n{{ nobody }}")
        page.get_by_text("Line 2, column 4").click()
        assert page.evaluate("document.getSelection().toString()") == "{{ nobody }}"
        page.get_by_role("button", name="Save and publish").click()
        page.get_by_text("The variable 'nobody' is not declared.").first.wait_for()
        page.fill("#id_source", "You sell.")
        page.get_by_role("button", name="Save and publish").click()
        page.get_by_text("v2 is live").wait_for()
        assert visit.complaints == []


def test_verbs_ask_before_they_act(acme: House, live_server: Any) -> None:
    task = make_turn(acme.tenant)
    with tenant_scope(acme.id):
        Task.objects.filter(pk=task.pk).update(status="queued")
    with signed_in(live_server.url, "owner-acme") as visit:
        page = visit.open(f"/admin/conversations/task/{task.pk}/change/")
        page.get_by_role("link", name="Cancel").first.click()
        page.get_by_role("button", name="Stop the task").click()
        page.get_by_text("The task is being cancelled.").wait_for()
        page = visit.open("/admin/tenants/apikey/add/")
        page.fill("#id_name", "Shop")
        page.click("button[name=_save]")
        page.get_by_role("button", name="Copy").first.click()
        page.get_by_text("Copied", exact=True).wait_for()
        page.get_by_role("link", name="I have copied it").click()
        page.get_by_role("link", name="Shop").click()
        page.get_by_role("link", name="Revoke").click()
        page.get_by_role("button", name="Revoke").click()
        page.get_by_text("is revoked").wait_for()
        assert visit.complaints == []
    with tenant_scope(acme.id):
        assert Task.objects.get().status == "cancelled"
        assert ApiKey.objects.get().revoked_at is not None


def test_the_palette_the_theme_and_the_switch_work(
    acme: House, rival: House, live_server: Any
) -> None:
    with tenant_scope(rival.id):
        Membership.objects.create(user_id=acme.owner.pk, role=Membership.Role.OWNER)
    with signed_in(live_server.url, "owner-acme") as visit:
        page = visit.page
        page.keyboard.press("Control+k")
        page.keyboard.type("sales", delay=20)
        page.locator("#command-results-list a").first.wait_for()
        page.keyboard.press("Escape")  # empties it
        page.keyboard.press("Escape")  # closes it
        page.get_by_text("unfold_more").last.click()
        page.get_by_text("Dark", exact=True).click()
        assert "dark" in (page.locator("html").get_attribute("class") or "")
        page.get_by_text("unfold_more").first.click()
        page.get_by_role("button", name="Rival").click()
        page.wait_for_load_state()
        page.get_by_text("Rival").first.wait_for()
        assert visit.complaints == []
    with scopes_disabled():
        assert RoutingRule.objects.count() == 2
