from typing import Any

import pytest

from routing.models import Agent, McpServer, Tool
from routing.snapshot import forget_snapshots, get_snapshot
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.callers import Caller
from tests.cast import House
from tests.routing.test_api_tools import make_tool
from tests.routing.test_tool_snapshot import give, tools_of


@pytest.fixture
def shop(acme: House) -> McpServer:
    """A server with two tools, and `sales` as the agent of all of them."""
    with tenant_scope(acme.id):
        server = McpServer.objects.create(
            slug="shop", name="Shop", url="https://shop.example/mcp", instructions="Quote in pesos."
        )
        Agent.objects.filter(slug="sales").update(kind="mcp", mcp_server=server)
    for name in ("shop__price", "shop__stock"):
        add_tool(acme, server, name)
    return server


def add_tool(house: House, server: McpServer, name: str, **values: Any) -> Tool:
    return make_tool(house, name, kind="mcp", mcp_server=server, remote_name=name, **values)


def test_all_tools_of_the_server_are_the_agents_as_they_come(acme: House, shop: McpServer) -> None:
    assert list(tools_of(acme)) == ["shop__price", "shop__stock"]
    add_tool(acme, shop, "shop__order")
    assert list(tools_of(acme)) == ["shop__order", "shop__price", "shop__stock"]
    assert tools_of(acme, "desk") == {}


@pytest.mark.parametrize("flag", ["is_quarantined", "is_missing"])
def test_a_tool_that_waits_for_approval_is_not(acme: House, shop: McpServer, flag: str) -> None:
    add_tool(acme, shop, "shop__new", **{flag: True})
    add_tool(acme, shop, "shop__off", is_active=False)
    assert list(tools_of(acme)) == ["shop__price", "shop__stock"]


def test_a_tool_that_is_chosen_as_well_is_there_once(acme: House, shop: McpServer) -> None:
    with tenant_scope(acme.id):
        price = Tool.objects.get(name="shop__price")
    give(acme, price, make_tool(acme, "weather"))
    assert sorted(tools_of(acme)) == ["shop__price", "shop__stock", "weather"]


def test_a_server_that_is_off_offers_nothing(acme: House, shop: McpServer) -> None:
    with tenant_scope(acme.id):
        McpServer.objects.update(is_active=False)
    assert tools_of(acme) == {}


def test_another_kind_of_agent_has_none_of_them(acme: House, shop: McpServer) -> None:
    with tenant_scope(acme.id):
        Agent.objects.filter(slug="sales").update(kind="prompt")
    assert tools_of(acme) == {}


def test_it_is_told_how_to_use_them(acme: House, shop: McpServer) -> None:
    forget_snapshots()
    with tenant_scope(acme.id):
        snapshot = get_snapshot(acme.id, Tenant.objects.get(pk=acme.id).config_version)
    assert snapshot.agents["sales"].instructions == "Quote in pesos."
    assert snapshot.agents["desk"].instructions == ""


def test_the_api_lists_its_tools(acme: House, shop: McpServer, acme_api: Caller) -> None:
    add_tool(acme, shop, "shop__new", is_quarantined=True)
    agents = {one["slug"]: one for one in acme_api.get("/api/v1/agents").json()["items"]}
    assert (agents["sales"]["kind"], agents["sales"]["tools"]) == (
        "mcp",
        ["shop__price", "shop__stock"],
    )
    assert agents["desk"]["tools"] == []


def test_the_form_asks_for_the_server(acme: House, shop: McpServer) -> None:
    desk, sales = desk_of(acme), acme.agents["sales"]
    page = desk.get("routing_agent_change", sales.pk).context["adminform"].form
    values = {name: page[name].value() for name in page.fields}
    form = {name: value for name, value in values.items() if value not in (None, False)}
    assert desk.post("routing_agent_change", sales.pk, **form).status_code == 302
    answer = desk.post("routing_agent_change", sales.pk, **(form | {"mcp_server": ""}))
    assert "mcp_server" in answer.context["adminform"].form.errors
