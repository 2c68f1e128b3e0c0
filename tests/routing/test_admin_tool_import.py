import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from routing.models import Tool
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of
from tests.cast import House, make_member

PAGE = "routing_tool_import_openapi"
SHOP = json.dumps(
    {
        "openapi": "3.0.3",
        "servers": [{"url": "https://api.shop.example/v1"}],
        "paths": {
            "/orders/{order}": {
                "parameters": [
                    {"name": "order", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "get": {"operationId": "getOrder", "summary": XSS},
                "delete": {"operationId": "dropOrder", "summary": "Drop one"},
            },
            "/upload": {"post": {"requestBody": {"content": {"image/png": {}}}}},
        },
    }
)


def post(house: House, **data: Any) -> Any:
    return desk_of(house).post(PAGE, **({"base_url": "", "secret_header": "X-Key"} | data))


def tools_of(house: House) -> list[str]:
    with tenant_scope(house.id):
        return [tool.name for tool in Tool.objects.order_by("name")]


@pytest.mark.parametrize("is_file", [False, True])
def test_a_document_is_shown_as_operations_to_choose_from(acme: House, is_file: bool) -> None:
    given = (
        {"upload": SimpleUploadedFile("a.json", SHOP.encode())} if is_file else {"document": SHOP}
    )
    shown = post(acme, **given)
    assert shown.status_code == 200
    found = {one.name: (str(why), is_ticked) for one, why, is_ticked in shown.context["rows"]}
    assert found["getOrder"] == found["dropOrder"] == ("", True)
    [broken] = [value for name, value in found.items() if name not in ("getOrder", "dropOrder")]
    assert broken[0]
    assert not broken[1]
    page = shown.content.decode()
    assert "<script>alert" not in page
    assert "https://api.shop.example/v1/orders/{order}" in page
    assert tools_of(acme) == []


def test_the_chosen_ones_become_tools_with_the_secret(acme: House) -> None:
    desk = desk_of(acme)
    given = {"document": SHOP, "operations": ["getOrder"], "secret": "sk-77"}
    made = desk.post(PAGE, make="1", secret_header="X-Key", **given)
    assert made.status_code == 302
    assert tools_of(acme) == ["getOrder"]
    with tenant_scope(acme.id):
        tool = Tool.objects.get()
        assert (tool.secret.reveal(), tool.secret_header, tool.risk) == ("sk-77", "X-Key", "read")
    assert "1 tool has been made." in desk.get("routing_tool_changelist").content.decode()
    again = post(acme, document=SHOP)
    taken = {one.name: str(why) for one, why, _ in again.context["rows"]}
    assert taken["getOrder"] == "There is a tool of this name."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Paste a document or choose a file."),
        ({"document": "{"}, "document"),
        ({"document": "x" * 500_001}, "500000"),
        ({"upload": SimpleUploadedFile("a.json", b"\xff\xfe")}, "no text in UTF-8"),
        ({"document": SHOP, "make": "1"}, "Choose at least one operation."),
        ({"document": SHOP, "make": "1", "operations": ["nope"]}, "no operation nope"),
    ],
)
def test_what_cannot_be_read_is_told(acme: House, given: dict[str, Any], said: str) -> None:
    refused = post(acme, **given)
    assert refused.status_code == 422
    assert said in refused.content.decode()
    assert tools_of(acme) == []


def test_the_list_leads_there_and_a_viewer_may_not(acme: House) -> None:
    assert (
        "/admin/routing/tool/import"
        in desk_of(acme).get("routing_tool_changelist").content.decode()
    )
    assert desk_of(acme).get(PAGE).status_code == 200
    viewer = Desk(make_member(acme.tenant, "eye", Membership.Role.VIEWER), acme.tenant)
    assert viewer.get(PAGE).status_code == 403
    assert viewer.post(PAGE, document=SHOP, make="1", operations=["getOrder"]).status_code == 403
    assert "tool/import" not in viewer.get("routing_tool_changelist").content.decode()


def test_a_form_of_another_tenant_makes_nothing(acme: House, rival: House) -> None:
    desk = Desk(acme.owner, rival.tenant)
    refused = desk.post(PAGE, document=SHOP, make="1", operations=["getOrder"])
    assert refused.status_code == 409
    assert tools_of(acme) == tools_of(rival) == []
