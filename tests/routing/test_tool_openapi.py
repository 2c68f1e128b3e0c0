import json
from time import thread_time
from typing import Any

import pytest

from routing.tools import Recovery, Risk, run_tool
from routing.tools.http_plan import read_places
from routing.tools.openapi import OpenApiInvalid, Operation, read_operations
from tests.fakes.tool_server import serve_tools
from tests.routing.tool_calls import a_call, http_tool

SHOP = """
openapi: 3.0.3
servers: [{url: https://api.shop.example/v1}]
paths:
  /orders/{order-id}:
    parameters:
      - {name: order-id, in: path, required: true, schema: {type: string}}
    get:
      operationId: getOrder
      summary: One order
      parameters:
        - name: page[size]
          in: query
          schema: {type: integer, minimum: 0, exclusiveMinimum: true}
        - {name: Authorization, in: header, schema: {type: string}}
    post:
      requestBody:
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Line'}
  /loop:
    put:
      operationId: loop
      requestBody:
        content: {application/json: {schema: {$ref: '#/components/schemas/Loop'}}}
  /upload:
    post:
      operationId: upload
      requestBody: {content: {image/png: {}}}
components:
  schemas:
    Line:
      type: object
      required: [sku]
      properties:
        sku: {type: string, nullable: true, example: PVC-10}
        since: {type: string, default: 2026-01-01}
    Loop: {type: object, properties: {again: {$ref: '#/components/schemas/Loop'}}}
"""


def by_name(text: str, **values: Any) -> dict[str, Operation]:
    return {operation.name: operation for operation in read_operations(text, **values)}


def test_an_operation_becomes_what_a_tool_is_made_of() -> None:
    found = by_name(SHOP)["getOrder"]
    assert (found.fault, found.title, found.method) == ("", "One order", "GET")
    assert found.url == "https://api.shop.example/v1/orders/{order-id}"
    assert found.parameters == {
        "type": "object",
        "properties": {
            "order-id": {"type": "string"},
            "page_size": {"type": "integer", "exclusiveMinimum": 0},
        },
        "required": ["order-id"],
    }
    assert found.places == {"page_size": {"in": "query", "name": "page[size]"}}
    assert (found.risk, found.recovery) == (Risk.READ, Recovery.IDEMPOTENT)


def test_the_fields_of_a_body_become_arguments_beside_those_of_the_path() -> None:
    found = by_name(SHOP)["post_orders_order-id"]
    assert found.parameters["properties"]["sku"] == {"type": ["string", "null"]}
    assert found.parameters["properties"]["since"]["default"] == "2026-01-01"
    assert found.parameters["required"] == ["order-id", "sku"]
    assert (found.risk, found.recovery) == (Risk.WRITE, Recovery.NEVER)


def test_an_operation_that_cannot_be_a_tool_says_why_and_leaves_the_others() -> None:
    found = by_name(SHOP)
    assert "refers to itself" in found["loop"].fault
    assert "neither JSON nor a form" in found["upload"].fault
    assert found["getOrder"].fault == ""


async def test_an_imported_operation_can_be_called(tool_calls: None) -> None:
    async with serve_tools() as shop:
        text = SHOP.replace("https://api.shop.example/v1", "/v1")
        found = by_name(text, base_url=shop.url("/"))["post_orders_order-id"]
        tool = http_tool(found.url, method=found.method, places=read_places(found.places))
        await run_tool(tool, {"order-id": "7", "sku": "PVC-10"}, a_call())
        assert shop.asked[0].target == "/v1/orders/7"
        assert shop.asked[0].data == {"sku": "PVC-10"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "swagger: '2.0'",
        "openapi: 3.0.0\npaths: {}",
        "a: &a [x]\nopenapi: 3.0.0\nb: [*a, *a]",
        "openapi: !!python/object/apply:os.system ['true']",
        "x" * 600_000,
        "[" * 100_000,
        '{"openapi": "3.1.0", "a": ' + "[" * 100_000,
    ],
)
def test_a_document_that_is_none_is_refused_in_time(text: str) -> None:
    started = thread_time()
    with pytest.raises(OpenApiInvalid):
        read_operations(text)
    assert thread_time() - started < 5


@pytest.mark.parametrize(
    "reference", ["https://evil.example/x", "file:///etc/passwd", "#/a/b", "x"]
)
def test_nothing_is_loaded(reference: str) -> None:
    entry = {"requestBody": {"$ref": reference}}
    document = {"openapi": "3.1.0", "servers": [{"url": "https://a.example"}]}
    document["paths"] = {"/x": {"post": entry}}
    assert read_operations(json.dumps(document))[0].fault != ""


def test_a_schema_that_unfolds_without_end_is_refused_in_time() -> None:
    schemas = {
        f"s{n}": {"allOf": [{"$ref": f"#/components/schemas/s{n + 1}"}] * 10} for n in range(30)
    } | {"s30": {"type": "string"}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/s0"}}}
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": "https://a.example"}],
        "paths": {"/x": {"post": {"requestBody": {"content": content}}}},
        "components": {"schemas": schemas},
    }
    assert "too large" in read_operations(json.dumps(document))[0].fault
