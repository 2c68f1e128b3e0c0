from typing import Any

import pytest
from asgiref.sync import async_to_sync

from routing.breaker import Outcome
from routing.breaker_store import breaker_store
from routing.models import AgentTool, LLMEndpoint, McpServer, Tool
from routing.tools.schema import hash_of
from tenants.scope import tenant_scope
from tests.admin import XSS, desk_of
from tests.cast import House
from tests.routing.test_api_tools import make_tool

SECRET = "Bearer sk-secret-of-acme-4f2a"
URL = "https://api.shop.example/orders/{order}"
SCHEMA = '{"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}'


def form_of(**values: Any) -> dict[str, Any]:
    form = {
        "name": "get_order",
        "title": "Order",
        "description": "One order.",
        "kind": "http",
        "risk": "read",
        "recovery": "never",
        "timeout_seconds": 5,
        "is_active": "on",
        "method": "GET",
        "body_format": "json",
        "url": URL,
        "parameters": SCHEMA,
        "places": "{}",
        "headers": "X-Store: norte",
        "secret_header": "Authorization",
    }
    return form | values


def tool_of(house: House, name: str = "get_order") -> Tool:
    with tenant_scope(house.id):
        return Tool.objects.get(name=name)


def errors_of(response: Any) -> Any:
    return response.context["adminform"].form.errors


def fail(house: House, name: str) -> None:
    for _ in range(5):
        async_to_sync(breaker_store().report)(house.id, name, Outcome.FAILURE, False)


def test_an_http_tool_is_made_and_its_secret_never_shown(acme: House) -> None:
    desk = desk_of(acme)
    response = desk.post("routing_tool_add", **form_of(new_secret=SECRET))
    assert response.status_code == 302
    row = tool_of(acme)
    assert (row.headers, row.secret.reveal()) == ({"X-Store": "norte"}, SECRET)
    for page, args in (("change", [row.pk]), ("changelist", [])):
        assert SECRET not in desk.get(f"routing_tool_{page}", *args).content.decode()
    assert "•••• 4f2a" in desk.get("routing_tool_change", row.pk).content.decode()
    assert desk.post("routing_tool_change", row.pk, **form_of(title="New")).status_code == 302
    assert tool_of(acme).secret.reveal() == SECRET


def test_a_secret_does_not_follow_its_tool_to_another_host(acme: House) -> None:
    desk = desk_of(acme)
    desk.post("routing_tool_add", **form_of(new_secret=SECRET))
    moved = form_of(url="https://evil.example/{order}")
    response = desk.post("routing_tool_change", tool_of(acme).pk, **moved)
    assert "another one now" in str(errors_of(response)["new_secret"])
    assert tool_of(acme).url == URL


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://169.254.169.254/"),
        ("url", "https://{order}.example/"),
        ("url", "https://api.shop.example/{unknown}"),
        ("url", ""),
        ("headers", "no colon"),
        ("parameters", '{"type": "object", "properties": {"a": {"pattern": "(?=a)"}}}'),
        ("parameters", '{"type": "object", "$ref": "https://evil.example/schema"}'),
        ("recovery", "check"),
        ("name", "spaces are not names"),
        ("description", ""),
    ],
)
def test_what_could_not_be_called_is_not_saved(acme: House, field: str, value: str) -> None:
    response = desk_of(acme).post("routing_tool_add", **form_of(**{field: value}))
    assert response.status_code == 200
    assert field in errors_of(response)


def test_a_built_in_tool_brings_its_parameters_and_can_be_tried(acme: House) -> None:
    desk = desk_of(acme)
    form = form_of(name="sum", kind="builtin", builtin="calculate", description="", url="")
    assert desk.post("routing_tool_add", **form).status_code == 302
    row = tool_of(acme, "sum")
    assert row.parameters["required"] == ["expression"]
    page = desk.get("routing_tool_change", row.pk).content.decode()
    assert 'name="argument-expression"' in page
    tried = desk.post("routing_tool_try", row.pk, **{"argument-expression": "0.1 + 0.2"})
    assert "result: 0.3" in tried.content.decode()
    refused = desk.post("routing_tool_try", row.pk, **{"argument-expression": "import os"})
    assert "tool_retry" in refused.content.decode()


def test_an_agent_is_given_tools_on_its_page(acme: House) -> None:
    tool, other = make_tool(acme), make_tool(acme, "other")
    agent, desk = acme.agents["sales"], desk_of(acme)
    page = desk.get("routing_agent_change", agent.pk)
    form = page.context["adminform"].form
    data = {name: value for name, value in form.initial.items() if value is not None}
    data |= {"intents": "", "prompt": str(agent.prompt_id), "llm_endpoint": ""}
    for chosen in ([str(tool.pk), str(other.pk)], [str(other.pk)]):
        saved = desk.post("routing_agent_change", agent.pk, **(data | {"tools": chosen}))
        assert saved.status_code == 302
    with tenant_scope(acme.id):
        assert [row.tool_id for row in AgentTool.objects.filter(agent=agent)] == [other.pk]


def test_a_changed_tool_is_shown_beside_the_approved_one_and_approved(acme: House) -> None:
    with tenant_scope(acme.id):
        server = McpServer.objects.create(slug="shop", name="Shop", url="https://shop.example/mcp")
    row = make_tool(
        acme,
        kind="mcp",
        mcp_server=server,
        remote_name="price",
        pinned_hash=hash_of("price", "Prices.", {}),
        is_quarantined=True,
        offered={
            "title": "",
            "description": f"Prices. {XSS}",
            "parameters": {"type": "object"},
            "output_schema": None,
        },
    )
    desk = desk_of(acme)
    page = desk.get("routing_tool_change", row.pk).content.decode()
    assert "describes this tool otherwise" in page
    assert XSS not in page
    assert desk.post("routing_tool_approve", row.pk).status_code == 302
    assert tool_of(acme, "price").description == f"Prices. {XSS}"
    assert not tool_of(acme, "price").is_quarantined


def test_an_open_breaker_is_seen_and_closed_by_hand(acme: House) -> None:
    row, desk = make_tool(acme), desk_of(acme)
    for page, pk, name in (
        ("routing_tool", row.pk, "tool:api.shop.example"),
        ("routing_llmendpoint", acme.endpoint.pk, "llm:Offline"),
        ("routing_agent", acme.agents["sales"].pk, "agent:sales"),
    ):
        fail(acme, name)
        assert "Left alone" in desk.get(f"{page}_changelist").content.decode()
        assert "5 calls failed in a row" in desk.get(f"{page}_change", pk).content.decode()
        assert desk.post(f"{page}_reset_breaker", pk).status_code == 302
        assert "Left alone" not in desk.get(f"{page}_changelist").content.decode()


def test_an_endpoint_is_asked_for_a_word(acme: House) -> None:
    desk = desk_of(acme)
    assert "answered" in desk.post("routing_llmendpoint_try", acme.endpoint.pk).content.decode()
    with tenant_scope(acme.id):
        LLMEndpoint.objects.filter(pk=acme.endpoint.pk).update(base_url="https://10.0.0.1/v1")
    tried = desk.post("routing_llmendpoint_try", acme.endpoint.pk).content.decode()
    assert "llm_unreachable" in tried


def test_nobody_touches_anothers_tools(acme: House, rival: House) -> None:
    row, desk = make_tool(rival), desk_of(acme)
    for name in ("routing_tool_try", "routing_tool_approve", "routing_tool_reset_breaker"):
        assert desk.post(name, row.pk).status_code == 404
