"""A small shop whose tools answer from memory, and the loop that runs them for a model."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.llm.types import Completion, LLMRequest, ToolCall, ToolSpec
from tests.fakes.llm_door import OFFLINE, Door

GOODS = {
    "T1": ("Blue PVC pipe 1 in", 4.5, 100),
    "T2": ("Grey PVC pipe 2 in", 7.0, 5),
    "H1": ("Claw hammer", 19.0, 3),
}
ITEMS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["sku", "quantity"],
        "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer"}},
    },
}


def tool(name: str, description: str, **properties: Any) -> ToolSpec:
    """A tool whose arguments are all required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return ToolSpec(name, description, schema)


SEARCH = tool("store__find_products", "Search the catalogue for products", query={"type": "string"})
QUOTE = tool("store__quote", "What items would cost", items=ITEMS)
PLACE = tool("store__place_order", "Place an order that was confirmed", items=ITEMS)
LINK = tool("store__payment_link", "Where an order is paid", order_id={"type": "string"})
STATUS = tool("store__order_status", "How an order is doing", order_id={"type": "string"})
EVERY = (SEARCH, QUOTE, PLACE, LINK, STATUS)


@dataclass
class Shop:
    """Answers calls, and keeps what was said and called; `failing` are tools that fail."""

    door: Door
    tools: tuple[ToolSpec, ...] = EVERY
    failing: Mapping[str, str] = field(default_factory=dict)
    called: list[tuple[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(
        default_factory=lambda: [{"role": "system", "content": "You are Bob, a clerk of Acme."}]
    )

    async def say(self, text: str) -> str:
        """The answer to `text`, after every call that it takes. Results are forgotten after it."""
        said, asked = self.messages, {"role": "user", "content": text}
        messages = [*said, asked]
        self.called.clear()
        for _ in range(10):
            completion = await self._ask(messages)
            if not completion.tool_calls:
                answer = {"role": "assistant", "content": completion.text}
                self.messages = [*said, asked, answer]
                return completion.text
            messages.append(_as_message(completion.tool_calls))
            messages += [self._run(call) for call in completion.tool_calls]
        raise AssertionError(f"It does not come to an end: {self.called}")

    async def _ask(self, messages: list[dict[str, Any]]) -> Completion:
        opened = Door(self.door.client, self.door.fake, OFFLINE)
        _, completion = await opened.stream(LLMRequest(messages, tools=self.tools))
        return completion

    def _run(self, call: ToolCall) -> dict[str, Any]:
        arguments = json.loads(call.arguments)
        self.called.append((call.name, arguments))
        answer = self.failing.get(call.name) or json.dumps(ANSWERS[call.name](arguments))
        return {"role": "tool", "tool_call_id": call.id, "content": answer}


def _as_message(calls: tuple[ToolCall, ...]) -> dict[str, Any]:
    asked = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": asked}


def _find(arguments: Any) -> Any:
    words = [word.rstrip("s") for word in arguments["query"].lower().split()]
    return {
        "results": [
            {"sku": sku, "name": name, "price": price, "stock": stock, "currency": "USD"}
            for sku, (name, price, stock) in GOODS.items()
            if any(word in name.lower() for word in words)
        ]
    }


def _quote(arguments: Any) -> Any:
    lines = [
        {"sku": one["sku"], "name": GOODS[one["sku"]][0], "quantity": one["quantity"]}
        | {"price": GOODS[one["sku"]][1], "stock": GOODS[one["sku"]][2]}
        for one in arguments["items"]
    ]
    total = sum(line["price"] * line["quantity"] for line in lines)
    return {"lines": lines, "shipping": 5.0, "total": total + 5.0, "currency": "USD"}


def _link(arguments: Any) -> Any:
    return {"url": f"https://pay.acme.test/{arguments['order_id']}", "total": 50.0}


ANSWERS: Mapping[str, Callable[[Any], Any]] = {
    SEARCH.name: _find,
    QUOTE.name: _quote,
    PLACE.name: lambda arguments: {"order_id": "ORD-77", "status": "open", **_quote(arguments)},
    LINK.name: _link,
    STATUS.name: lambda arguments: {"order_id": arguments["order_id"], "status": "on its way"},
}
