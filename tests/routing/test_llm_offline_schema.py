import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from routing.llm.types import LLMRequest
from tests.fakes.llm_door import OFFLINE, Door, open_door
from tests.fakes.llm_server import says
from tests.fakes.llm_shop import SHOP

STRING = {"type": "string"}
NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


async def _fill(schema: dict[str, Any], text: str) -> Any:
    messages = [{"role": "system", "content": SHOP}, {"role": "user", "content": text}]
    async with open_door(says("never asked")) as door:
        opened = Door(door.client, door.fake, OFFLINE)
        completion = await opened.complete(LLMRequest(messages, response_schema=schema))
    value = json.loads(completion.text)
    Draft202012Validator(schema).validate(value)
    return value


async def test_fields_are_filled_from_the_message() -> None:
    schema = _object(
        product=STRING,
        sku=STRING,
        quantity={"type": "integer"},
        total={"type": "number"},
        email={"type": "string", "format": "email"},
        customer_name=STRING,
        order_id=STRING,
    )
    text = "Soy Ana Ruiz, quiero 3 bultos de cemento para el pedido PED-881, ana@obra.mx"
    assert await _fill(schema, text) == {
        "product": "Cemento gris 50 kg",
        "sku": "CEM-050",
        "quantity": 3,
        "total": 705.0,
        "email": "ana@obra.mx",
        "customer_name": "Ana Ruiz",
        "order_id": "PED-881",
    }


async def test_the_member_of_a_closed_set_that_fits_is_chosen() -> None:
    for text, expected in {
        "quiero cancelar mi orden": "cancel_order",
        "¿cuánto cuesta el martillo?": "price",
        "¿a qué hora abren?": "hours",
        "asdf": "other",
    }.items():
        members = ["hours", "price", "cancel_order", "other"]
        schema = _object(kind={"type": "string", "enum": members})
        assert (await _fill(schema, text))["kind"] == expected


async def test_what_the_message_does_not_say_stays_empty() -> None:
    schema = _object(
        email=NULLABLE,
        phone={"type": ["string", "null"]},
        quantity={"type": "integer", "minimum": 1},
        urgent={"type": "boolean"},
        tags={"type": "array", "items": STRING},
    )
    assert await _fill(schema, "hola") == {
        "email": None,
        "phone": None,
        "quantity": 1,
        "urgent": False,
        "tags": [],
    }


async def test_each_product_becomes_a_row() -> None:
    row = _object(sku=STRING, quantity={"type": "integer"})
    schema = {
        "$defs": {"Line": row},
        **_object(lines={"type": "array", "items": {"$ref": "#/$defs/Line"}}),
    }
    assert await _fill(schema, "10 tubos de 1/2 y 4 codos") == {
        "lines": [{"sku": "TUB-050", "quantity": 10}, {"sku": "COD-050", "quantity": 4}]
    }


HARD: dict[str, dict[str, Any]] = {
    "anything": {},
    "bare object": {"type": "object"},
    "const": _object(version={"const": 3}),
    "default": _object(limit={"type": "integer", "default": 7}),
    "bounds": _object(n={"type": "integer", "minimum": 5, "maximum": 6}),
    "lengths": _object(
        s={"type": "string", "minLength": 3, "maxLength": 4},
        a={"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2.0},
    ),
    "number enum": _object(n={"enum": [1, 2, 3]}),
    "enum of lists": _object(a={"type": "array", "items": {"enum": ["cemento", "arena"]}}),
    "allOf": {"allOf": [_object(a=STRING) | {"additionalProperties": True}]},
    "oneOf": _object(x={"oneOf": [_object(product=STRING), {"type": "null"}]}),
    "null": _object(x={"type": "null"}),
    "confidence": _object(confidence={"type": "number", "minimum": 0, "maximum": 1}),
    "recursive": {
        "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}},
        "$ref": "#/$defs/N",
    },
    "true": _object(x=True),
    "nested": _object(a=_object(b=_object(c={"type": "boolean"}))),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("text", ["quiero 9 bultos de cemento", "", "asdf"])
async def test_the_answer_fits_the_schema(name: str, text: str) -> None:
    await _fill(HARD[name], text)
