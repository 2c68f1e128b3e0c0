"""Tools of a house whose other side is a fake shop on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from conversations.engine.worker import Worker
from routing.models import Agent, AgentTool, Tool
from routing.snapshot import forget_snapshots
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import Story, apost, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import Behaviour, FakeLLM
from tests.fakes.tool_server import ToolServer, serve_tools

SKU = {
    "type": "object",
    "required": ["sku"],
    "properties": {"sku": {"type": "string"}, "quantity": {"type": "integer", "minimum": 1}},
}


@dataclass
class Scene:
    """A worker, its scripted LLM, and the shop behind the tools."""

    house: House
    worker: Worker
    llm: FakeLLM
    shop: ToolServer

    async def ask(self, text: str = "precio", session_id: UUID | None = None) -> Story:
        """What became of a message once nothing is left to do."""
        posted = await apost(self.house, text, session_id)
        await run_until_idle(self.worker)
        return await story_of(self.house, posted.task.id)

    async def go_on(self, story: Story) -> Story:
        await run_until_idle(self.worker)
        return await story_of(self.house, story.task.id)

    def told(self, number: int) -> list[dict[str, Any]]:
        """The messages of the model's call with that number, from 0."""
        return self.llm.calls[number].body["messages"]


def make_tool(house: House, name: str, url: str, *, agent: str = "sales", **values: Any) -> Tool:
    given = {
        "description": f"{name} of the shop",
        "method": "GET" if values.get("risk") == "read" else "POST",
        "parameters": SKU,
        "risk": "read",
        "recovery": "never",
    }
    with tenant_scope(house.id):
        tool = Tool.objects.create(name=name, url=url, **(given | values))
        AgentTool.objects.create(agent=house.agents[agent], tool=tool)
    return tool


def allow(house: House, agent: str = "sales", **values: Any) -> None:
    with tenant_scope(house.id):
        Agent.objects.filter(slug=agent).update(**values)
    forget_snapshots()


@asynccontextmanager
async def open_scene(house: House, *behaviours: Behaviour) -> AsyncIterator[Scene]:
    """With the tools `price` (reads), `order` (writes) and `refund` (needs an approval)."""
    async with serve_tools() as shop, open_worker(*behaviours) as (worker, llm):

        def furnish() -> None:
            make_tool(house, "price", shop.url("/price"), risk="read", method="GET")
            make_tool(house, "order", shop.url("/order"), risk="write")
            make_tool(house, "refund", shop.url("/refund"), risk="approval")

        await sync_to_async(furnish)()
        yield Scene(house, worker, llm, shop)
        if shop.held is not None:
            shop.held.set()
