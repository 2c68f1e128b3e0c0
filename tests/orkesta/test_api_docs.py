import re
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from tests.callers import Caller
from tests.conversations.test_api_scopes import CALLS

METHODS = {"get", "post", "put", "patch", "delete"}
#: Needs no key.
OPEN = "/api/v1/keys/leaked"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return found


def operations(schema: dict[str, Any]) -> Any:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield path, method, operation


def test_the_schema_is_valid_and_without_warnings(tmp_path: Path) -> None:
    said = StringIO()
    where = str(tmp_path / "schema.yaml")
    call_command("spectacular", "--validate", "--fail-on-warn", file=where, stderr=said)
    assert said.getvalue() == ""
    assert "openapi: 3" in Path(where).read_text()


@pytest.mark.parametrize("kind", ["", "?format=json", "?format=yaml"])
def test_anybody_may_read_the_schema(kind: str) -> None:
    response = Client().get(f"/api/schema/{kind}")
    assert response.status_code == 200
    assert "/api/v1/chat/send" in response.content.decode()


def test_every_operation_is_documented(schema: dict[str, Any]) -> None:
    found = [operation for operation in operations(schema) if operation[0] != OPEN]
    documented = {(method.upper(), path.removeprefix("/api/v1/")) for path, method, _ in found}
    known = {(m, re.sub(r"/([0-9a-f-]{36}|1)\b", "/{}", path)) for m, path, _ in CALLS}
    assert {(m, re.sub(r"\{\w+\}", "{}", path)) for m, path in documented} == known
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    for path, method, operation in found:
        assert operation["summary"], path
        assert operation["tags"], path
        assert "Needs the scope `" in operation["description"], path
        assert operation["security"] == [{"bearer": []}, {"apiKey": []}], path
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                content = response["content"]["application/problem+json"]
                assert content["schema"]["$ref"].endswith("/Problem"), (path, method)
                assert content["examples"], path
        assert {"401", "403", "500", "503"} <= set(operation["responses"]), path
        if method == "post" and "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), path
            assert operation["requestBody"]["content"].keys() == {"application/json"}, path


def strict(node: Any, components: dict[str, Any]) -> Any:
    """OpenAPI 3.0 as JSON Schema: references followed, `nullable` spelled out, no extra keys."""
    if isinstance(node, list):
        return [strict(item, components) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return strict(components[node["$ref"].rsplit("/", 1)[1]], components)
    found = {key: strict(value, components) for key, value in node.items() if key != "nullable"}
    if found.get("type") == "object" and "properties" in found:
        found["additionalProperties"] = False
    return {"anyOf": [found, {"type": "null"}]} if node.get("nullable") else found


def test_answers_are_as_documented(acme_api: Caller, schema: dict[str, Any]) -> None:
    sent = acme_api.post("/api/v1/chat/send", {"message": "x", "context": {"a": [1]}}).json()
    calls = [
        ("POST", "/api/v1/chat/send"), ("POST", "/api/v1/chat/status"), ("GET", "/api/v1/tasks"),
        ("GET", "/api/v1/tasks/{task_id}"), ("GET", "/api/v1/sessions/{session_id}/messages"),
        ("GET", "/api/v1/sessions/{session_id}/events"), ("POST", "/api/v1/chat/cancel"),
        ("POST", "/api/v1/tasks/{task_id}/cancel"), ("POST", "/api/v1/sessions"),
        ("GET", "/api/v1/sessions"), ("GET", "/api/v1/sessions/{session_id}"),
        ("POST", "/api/v1/sessions/{session_id}/close"), ("GET", "/api/v1/agents"),
    ]  # fmt: skip
    for method, path in calls:
        body = {"message": "y", **sent} if "send" in path else sent
        response = acme_api.request(method, path.format(**sent), body)
        promised = schema["paths"][path][method.lower()]["responses"][str(response.status_code)]
        shape = promised["content"][response["Content-Type"].split(";")[0]]["schema"]
        jsonschema.validate(response.json(), strict(shape, schema["components"]["schemas"]))


@pytest.mark.parametrize(
    "call", [("GET", "tasks?limit=x"), ("POST", "chat/send"), ("GET", "tasks/x")]
)
def test_problems_are_as_documented(
    acme_api: Caller, schema: dict[str, Any], call: tuple[str, str]
) -> None:
    components = schema["components"]["schemas"]
    body = acme_api.request(call[0], f"/api/v1/{call[1]}").json()
    jsonschema.validate(body, strict(components["Problem"], components))


def test_the_docs_page_needs_no_other_host_and_no_inline_script() -> None:
    client = Client()
    page = client.get("/api/docs/")
    assert page.status_code == 200
    html = page.content.decode()
    assert "https://" not in html
    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    rules = dict(rule.strip().split(" ", 1) for rule in page["Content-Security-Policy"].split(";"))
    assert rules["script-src"] == "'self'"
    assets = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(assets) >= 4
    for asset in assets:
        response = client.get(asset.replace("&amp;", "&"))
        assert response.status_code == 200, asset
        assert len(response.getvalue()) > 100, asset


def test_the_front_door_leads_to_the_admin() -> None:
    response = Client().get("/")
    assert (response.status_code, response["Location"]) == (302, "/admin/")
