"""Rows of what the admin shows beside agents and conversations, made without the forms."""

from typing import Any

from django.db.models import Model
from django.utils import timezone

from prompts.case_models import PromptTestCase
from routing.models import McpServer
from tenants.models import TierOverride
from tenants.scope import tenant_scope
from tenants.usage_models import LLMPrice, UsageDay
from tests.cast import House
from tests.conversations.waiting import make_waiting
from tests.routing.test_api_tools import make_tool

_LIMITS = TierOverride.Limit.values


def make_extras(house: House, number: int = 0, text: str = "row") -> dict[str, Model]:
    """One row of tools, people and money for each number, by `app_model`, with `text` wherever a
    person may write something.
    """
    waiting = make_waiting(house, text, tool_name=text[:64])
    tool = make_tool(house, f"tool_{number}", title=text[:60], description=text)
    money: dict[str, Any] = {"input_price": 1, "output_price": 2}
    with tenant_scope(house.id):
        return {
            "conversations_inputrequest": waiting,
            "prompts_prompttestcase": PromptTestCase.objects.create(
                prompt=house.agents["sales"].prompt, message=text
            ),
            "routing_tool": tool,
            "routing_mcpserver": McpServer.objects.create(
                slug=f"server-{number}", name=text[:60], url="https://shop.example/mcp"
            ),
            "tenants_llmprice": LLMPrice.objects.create(llm=f"{number}{text}"[:100], **money),
            "tenants_tieroverride": TierOverride.objects.update_or_create(
                limit=_LIMITS[number % len(_LIMITS)], defaults={"value": 3, "reason": text}
            )[0],
            "tenants_usageday": UsageDay.objects.create(
                day=timezone.localdate(), kind="llm", llm=f"{number}{text}"[:100], num_calls=1
            ),
        }
