import json
from typing import Any

import pytest

from routing.llm.types import Completion, LLMRequest, ToolSpec
from tests.fakes.llm_door import OFFLINE, Door, open_door
from tests.fakes.llm_server import says
from tests.fakes.llm_shop import SHOP


def _tool(name: str, description: str, required: list[str], **properties: Any) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": required}
    return ToolSpec(name, description, schema)


TOOLS = (
    _tool(
        "buscar_productos",
        "Busca productos en el catálogo",
        ["consulta"],
        consulta={"type": "string"},
        limite={"type": "integer", "default": 5},
    ),
    _tool(
        "crear_pedido",
        "Crea un pedido con productos y cantidades",
        ["productos"],
        productos={
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["sku", "cantidad"],
                "properties": {"sku": {"type": "string"}, "cantidad": {"type": "integer"}},
            },
        },
    ),
    _tool(
        "estado_pedido",
        "Dice dónde va un pedido",
        ["pedido_id"],
        pedido_id={"type": "string"},
    ),
    _tool("get_weather", "Weather of a city", ["city"], city={"type": "string"}),
)


async def _ask(*messages: dict[str, Any], text: str = "") -> Completion:
    said = [{"role": "system", "content": SHOP}, *messages]
    if text:
        said.append({"role": "user", "content": text})
    async with open_door(says("never asked")) as door:
        opened = Door(door.client, door.fake, OFFLINE)
        _, completion = await opened.stream(LLMRequest(said, tools=TOOLS))
    return completion


CALLED = {
    "¿tienen pintura blanca?": ("buscar_productos", {"consulta": "pintura blanca", "limite": 5}),
    "Necesito 10 tubos PVC de 1/2 y 2 codos": (
        "crear_pedido",
        {"productos": [{"sku": "TUB-050", "cantidad": 10}, {"sku": "COD-050", "cantidad": 2}]},
    ),
    "¿dónde va mi pedido PED-123?": ("estado_pedido", {"pedido_id": "PED-123"}),
    'what is the weather in "Puebla"?': ("get_weather", {"city": "Puebla"}),
    "what is the weather in Puebla today?": ("get_weather", {"city": "Puebla"}),
}


@pytest.mark.parametrize("text", CALLED)
async def test_a_clear_request_becomes_a_call_with_its_arguments(text: str) -> None:
    completion = await _ask(text=text)
    [call] = completion.tool_calls
    assert (call.name, json.loads(call.arguments)) == CALLED[text]
    assert completion.finish_reason == "tool_calls"
    assert completion.text == ""
    assert call.id.startswith("call_")


@pytest.mark.parametrize("text", ["hola", "gracias", "¿a qué hora abren?", "¿dónde va mi pedido?"])
async def test_what_calls_for_no_tool_is_answered_in_words(text: str) -> None:
    completion = await _ask(text=text)
    assert completion.tool_calls == ()
    assert "(modelo sin conexión)" in completion.text


RESULTS = {
    '{"sku": "X1", "precio_total": 12.5, "activo": true}': "precio total: 12.5; activo: sí",
    '[{"nombre": "Tubo"}, {"nombre": "Codo"}]': "• nombre: Codo",
    '{"results": [{"nombre": "Tubo"}], "total": 1}': "• nombre: Tubo",
    "[]": "No encontré resultados",
    '{"error": "sin conexión al inventario"}': "No pude completarlo: sin conexión al inventario",
    "Pedido 12 creado.": "Pedido 12 creado",
}


@pytest.mark.parametrize("result", RESULTS)
async def test_results_of_tools_are_told_in_words(result: str) -> None:
    completion = await _ask(
        {"role": "user", "content": "¿tienen pintura blanca?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    )
    assert completion.tool_calls == ()
    assert RESULTS[result] in completion.text
    assert completion.text.count("(modelo sin conexión)") == 1
