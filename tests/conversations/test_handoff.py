import pytest
from asgiref.sync import sync_to_async

from tests.cast import House, make_agent
from tests.conversations.tools import allow, open_scene
from tests.engine import ask_fake_llm
from tests.fakes.llm_server import calls_tools, says

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tool_calls"),
]
PRICE = calls_tools(("price", {"sku": "TUB-050"}))
HAND = calls_tools(
    ("hand_off", {"agent": "billing", "reason": "quiere su factura"}), text="Te paso"
)


@pytest.fixture
def shop(acme: House) -> House:
    acme.agents["billing"] = make_agent(acme.tenant, "billing", may_hand_off=True)
    allow(acme, may_hand_off=True)
    return ask_fake_llm(acme)


async def test_another_agent_takes_over_with_what_was_found_out(shop: House) -> None:
    async with open_scene(shop, PRICE, HAND, says("Soy billing")) as scene:
        scene.shop.say(200, b'{"price": 45}')
        story = await scene.ask()
        later = await scene.ask("y ahora?", story.session.id)
    assert (story.answer, story.messages[-1].agent_slug) == ("Soy billing", "billing")
    assert [(step.kind, step.agent_slug) for step in story.steps[3:]] == [
        ("model", "sales"),
        ("handoff", "billing"),
        ("model", "billing"),
    ]
    told = scene.told(2)
    assert "You are Billing." in told[0]["content"]
    assert "«sales» hands over to you: quiere su factura" in told[0]["content"]
    assert '{"price": 45}' in told[0]["content"]
    assert [message["role"] for message in told] == ["system", "user"]
    assert str(story.session.active_agent_id) == str(shop.agents["billing"].pk)
    assert later.steps[0].input["active_agent"] == "billing"


async def test_no_agent_has_a_task_twice(shop: House) -> None:
    back = calls_tools(("hand_off", {"agent": "sales", "reason": "no es mío"}))
    async with open_scene(shop, HAND, back, says("Bueno")) as scene:
        story = await scene.ask()
    assert story.steps[4].output["code"] == "tool_retry"
    assert "desk" in story.steps[4].output["detail"]
    assert (story.answer, story.messages[-1].agent_slug) == ("Bueno", "billing")
    offered = scene.llm.calls[1].body["tools"]
    hand_off = next(one["function"] for one in offered if one["function"]["name"] == "hand_off")
    assert hand_off["parameters"]["properties"]["agent"]["enum"] == ["desk"]


@pytest.mark.parametrize("agent", ["nobody", "billing\x00", "", 7, None])
async def test_an_agent_that_is_not_there_takes_over_nothing(shop: House, agent: object) -> None:
    hand = calls_tools(("hand_off", {"agent": agent, "reason": "x"}))
    async with open_scene(shop, hand, says("Yo mismo")) as scene:
        story = await scene.ask()
    assert scene.told(1)[-1]["content"].startswith("Error: ")
    assert (story.answer, story.messages[-1].agent_slug) == ("Yo mismo", "sales")
    assert "handoff" not in [step.kind for step in story.steps]


async def test_it_is_not_offered_to_an_agent_that_may_not(shop: House) -> None:
    await sync_to_async(allow)(shop, may_hand_off=False)
    async with open_scene(shop, HAND, says("Yo mismo")) as scene:
        story = await scene.ask()
    names = [tool["function"]["name"] for tool in scene.llm.calls[0].body["tools"]]
    assert "hand_off" not in names
    assert (story.answer, story.messages[-1].agent_slug) == ("Yo mismo", "sales")


async def test_agents_that_only_hand_over_come_to_an_end(shop: House) -> None:
    async with open_scene(shop, HAND) as scene:
        story = await scene.ask()
    assert story.task.status == "failed"
    assert story.task.error_code == "max_steps"
    assert [step.kind for step in story.steps].count("handoff") == 1
