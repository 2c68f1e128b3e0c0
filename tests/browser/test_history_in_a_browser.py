from typing import Any

import pytest

from routing.models import Agent
from tenants.audit import Actor, acting
from tenants.audit_models import ActorKind
from tenants.scope import tenant_scope
from tests.admin import XSS
from tests.browser.chromium import DESKTOP, PHONE, signed_in
from tests.cast import House

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def changed_twice(house: House) -> Agent:
    agent = house.agents["sales"]
    with tenant_scope(house.id), acting(Actor(ActorKind.USER, "1", f"Ada {XSS}")):
        agent.name, agent.temperature = "Ventas", 0.7
        agent.save()
        agent.description = f"Precios y existencias. {XSS} " + "Larga descripción. " * 40
        agent.intents, agent.is_active = ["precio", "existencias"], False
        agent.save()
    return agent


@pytest.mark.parametrize(("size", "name"), [(DESKTOP, "desktop"), (PHONE, "phone")])
def test_a_version_is_restored_from_the_history(
    acme: House, live_server: Any, size: dict[str, int], name: str
) -> None:
    agent = changed_twice(acme)
    username = acme.owner.get_username()
    with signed_in(live_server.url, username, size=size, language="es") as visit:
        page = visit.open(f"/admin/routing/agent/{agent.pk}/change/")
        address = f"/admin/routing/agent/{agent.pk}/history/"
        assert page.locator(f"a[href='{address}']").count()
        page = visit.open(address)
        assert page.get_by_text("Sales", exact=True).first.is_visible()
        width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, "the page is wider than the window"
        page.get_by_role("link", name="Restaurar…").nth(1).click()
        page.wait_for_selector("input[name=_reason]")
        page.fill("input[name=_reason]", "Mejor como antes")
        page.get_by_role("button", name="Restaurar", exact=True).click()
        page.wait_for_url("**/admin/routing/agent/")
        page = visit.open(address)
        assert page.get_by_text("Mejor como antes").is_visible()
        assert visit.complaints == []
        assert visit.hosts == {"localhost"}
    with tenant_scope(acme.id):
        assert Agent.objects.get(pk=agent.pk).name == "Sales"
