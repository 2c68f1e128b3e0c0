"""The demo's own store: its real tools, called in this process by the model that takes orders."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from examples.ferreteria import catalogue, orders
from examples.ferreteria.errors import ShopError
from examples.ferreteria.shop import Shop as Store
from orkesta.env import PROJECT_ROOT
from routing.llm.types import ToolCall, ToolSpec
from tests.fakes.llm_door import Door
from tests.fakes.llm_tools import Shop

TODAY: Final = date(2026, 11, 20)
_DEMO: Final = PROJECT_ROOT / "conversations/demo/ferreteria"
_NAMES: Final = ("buscar_productos", "cotizar", "crear_pedido", "liga_de_pago", "estado_pedido")


class HardwareStore(Shop):
    """Tools that read and write a data file of their own."""

    def __init__(self, door: Door, path: Path) -> None:
        prompt = f"Eres Pedidos. Hablas español.\n\n{(_DEMO / 'facts.txt').read_text()}"
        super().__init__(door, tools=_offered(), messages=[{"role": "system", "content": prompt}])
        self.store = Store(path, today=lambda: TODAY)
        self.store.prepare()

    def _run(self, call: ToolCall) -> dict[str, Any]:
        arguments = json.loads(call.arguments)
        self.called.append((call.name, arguments))
        try:
            answer = self._answer(call.name, arguments)
        except ShopError as exc:
            answer = {"error": {"code": exc.code, "message": exc.message}}
        content = json.dumps(answer, ensure_ascii=False)
        return {"role": "tool", "tool_call_id": call.id, "content": content}

    def _answer(self, name: str, arguments: Mapping[str, Any]) -> Any:
        with self.store.transaction() as db:
            if name == "buscar_productos":
                return {"productos": catalogue.search(db, arguments["consulta"], 5)}
            if name == "liga_de_pago":
                return orders.payment_link(db, arguments["folio"], "")
            if name == "estado_pedido":
                return orders.find_order(db, arguments["folio"], "")
            pairs = [(line["sku"], line["cantidad"]) for line in arguments["renglones"]]
            lines = catalogue.read_lines(db, pairs)
            delivery = arguments["entrega"]
            if name == "cotizar":
                return catalogue.quote(lines, delivery)
            return orders.create_order(
                db, lines, customer="", user="", delivery=delivery, today=TODAY
            )


def _offered() -> tuple[ToolSpec, ...]:
    listed = json.loads((_DEMO / "tools.json").read_text())["tools"]
    found = {tool["name"]: tool for tool in listed}
    return tuple(
        ToolSpec(name, found[name]["description"], found[name]["inputSchema"]) for name in _NAMES
    )
