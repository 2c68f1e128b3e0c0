from typing import Any

import pytest

from orkesta.crypto import Secret
from routing.models import AgentTool, McpServer, Tool
from routing.snapshot import forget_snapshots, get_snapshot
from routing.tools.http import HttpCaller
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests.cast import House
from tests.routing.test_api_tools import make_tool


def give(house: House, *tools: Tool, agent: str = "sales") -> None:
    with tenant_scope(house.id):
        for tool in tools:
            AgentTool.objects.create(agent=house.agents[agent], tool=tool)


def tools_of(house: House, agent: str = "sales") -> dict[str, Any]:
    forget_snapshots()
    with tenant_scope(house.id):
        version = Tenant.objects.get(pk=house.id).config_version
        return {tool.name: tool for tool in get_snapshot(house.id, version).agents[agent].tools}


def test_an_agent_has_the_tools_it_was_given_and_no_others(acme: House) -> None:
    shared = make_tool(acme)
    give(acme, shared, make_tool(acme, "stock"))
    give(acme, shared, agent="desk")
    assert list(tools_of(acme)) == ["price", "stock"]
    assert list(tools_of(acme, "desk")) == ["price"]


@pytest.mark.parametrize(
    "values",
    [
        {"is_active": False},
        {"is_quarantined": True},
        {"is_missing": True},
        {"kind": "builtin", "builtin": "unknown"},
        {"parameters": {"type": "object", "$ref": "https://evil.example/"}},
        {"places": [1]},
        {"sealed_secret": "v1.00000000.AAAA"},
        {"kind": "mcp"},
    ],
)
def test_a_tool_that_cannot_be_used_is_left_out_alone(acme: House, values: Any) -> None:
    give(acme, make_tool(acme, "fine"), make_tool(acme, "bad", **values))
    assert list(tools_of(acme)) == ["fine"]


def test_the_tools_of_a_server_that_is_off_are_left_out(acme: House) -> None:
    with tenant_scope(acme.id):
        server = McpServer.objects.create(
            slug="shop", name="Shop", url="https://shop.example/mcp", is_active=False
        )
    give(acme, make_tool(acme, kind="mcp", mcp_server=server, remote_name="price"))
    assert tools_of(acme) == {}


def test_a_snapshot_holds_the_secret_without_showing_it(acme: House) -> None:
    row = make_tool(acme)
    row.set_secret("Bearer sk-secret-4f2a")
    with tenant_scope(acme.id):
        row.save()
    give(acme, row)
    caller = tools_of(acme)["price"].caller
    assert isinstance(caller, HttpCaller)
    assert caller.plan.secret == Secret("Bearer sk-secret-4f2a")
    assert "4f2a" not in repr(tools_of(acme))


def test_a_secret_moved_to_another_row_is_of_no_use(acme: House) -> None:
    one, other = make_tool(acme), make_tool(acme, "other")
    one.set_secret("Bearer sk-secret-4f2a")
    other.sealed_secret = one.sealed_secret
    with tenant_scope(acme.id):
        other.save()
    give(acme, other)
    assert tools_of(acme) == {}


def test_two_hundred_tools_cost_one_query(acme: House, django_assert_max_num_queries: Any) -> None:
    give(acme, *(make_tool(acme, f"tool_{number}") for number in range(200)))
    with django_assert_max_num_queries(12):
        assert len(tools_of(acme)) == 200
