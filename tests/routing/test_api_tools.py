from typing import Any

import pytest

from routing.models import AgentTool, Tool
from routing.tools.builtin import BUILTINS
from tenants.scope import tenant_scope
from tests.callers import Caller
from tests.cast import House
from tests.routing.test_tool_openapi import SHOP


def make_tool(house: House, name: str = "price", **values: Any) -> Tool:
    with tenant_scope(house.id):
        given = {"kind": "http", "url": "https://api.shop.example/price", "description": "Prices."}
        return Tool.objects.create(name=name, **(given | values))


def test_tools_are_listed_with_what_a_model_is_told_and_their_state(
    acme: House, acme_api: Caller
) -> None:
    make_tool(acme, is_quarantined=True)
    found = acme_api.get("/api/v1/tools").json()["items"]
    assert found == [
        {
            "name": "price",
            "title": "",
            "description": "Prices.",
            "kind": "http",
            "parameters": {"type": "object", "properties": {}},
            "risk": "write",
            "recovery": "never",
            "state": "quarantined",
            "mcp_server": None,
        }
    ]


def test_an_agent_says_which_tools_it_may_use(acme: House, acme_api: Caller) -> None:
    tool = make_tool(acme)
    with tenant_scope(acme.id):
        AgentTool.objects.create(agent=acme.agents["sales"], tool=tool)
    found = {one["slug"]: one["tools"] for one in acme_api.get("/api/v1/agents").json()["items"]}
    assert found == {"sales": ["price"], "desk": []}


def test_lists_cost_the_same_number_of_queries_however_many_rows(
    acme: House, acme_api: Caller, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        tool = make_tool(acme, f"tool_{number}")
        with tenant_scope(acme.id):
            AgentTool.objects.create(agent=acme.agents["sales"], tool=tool)
    acme_api.get("/api/v1/tools")
    for path in ("/api/v1/tools", "/api/v1/agents"):
        with django_assert_max_num_queries(8):
            acme_api.get(path)


def test_an_openapi_document_becomes_tools_all_or_none(acme: House, acme_api: Caller) -> None:
    body = {"document": SHOP, "operations": ["getOrder", "loop"]}
    refused = acme_api.post("/api/v1/tools/imports", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "openapi_invalid")
    made = acme_api.post("/api/v1/tools/imports", {"document": SHOP})
    assert made.status_code == 201
    assert [tool["name"] for tool in made.json()["tools"]] == ["getOrder", "post_orders_order-id"]
    assert {one["name"] for one in made.json()["refused"]} == {"loop", "upload"}
    again = acme_api.post("/api/v1/tools/imports", {"document": SHOP})
    assert "already" in again.json()["detail"]
    with tenant_scope(acme.id):
        assert Tool.objects.count() == 2


def test_an_import_cannot_reach_inside(acme_api: Caller) -> None:
    document = SHOP.replace("https://api.shop.example", "http://169.254.169.254")
    answer = acme_api.post("/api/v1/tools/imports", {"document": document})
    assert (answer.status_code, answer.json()["code"]) == (422, "openapi_invalid")


@pytest.mark.parametrize("name", BUILTINS)
def test_every_built_in_tool_could_be_saved(acme: House, name: str) -> None:
    found = BUILTINS[name]
    with tenant_scope(acme.id):
        Tool(
            name=name,
            kind="builtin",
            builtin=name,
            description=found.description,
            parameters=found.parameters,
        ).full_clean(exclude=["tenant"])
