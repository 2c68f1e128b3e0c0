from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from routing.llm.types import ToolSpec
from tests.fakes.llm_door import open_door
from tests.fakes.llm_server import says
from tests.fakes.llm_tools import LINK, PLACE, QUOTE, SEARCH, STATUS, Shop, tool

TEN = {"items": [{"sku": "T1", "quantity": 10}]}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_door(says("never asked")) as door:
        yield Shop(door)


async def test_what_is_wanted_is_found_then_quoted_then_put_to_confirmation(shop: Shop) -> None:
    answer = await shop.say("I need 10 blue pipes")
    assert shop.called == [(SEARCH.name, {"query": "blue pipes"}), (QUOTE.name, TEN)]
    assert "10 × Blue PVC pipe 1 in (T1) at $4.50 = $45.00" in answer
    assert "Delivery: $5.00" in answer
    assert "Total: $50.00" in answer
    assert "Do you confirm" in answer


async def test_a_yes_makes_the_order_and_says_where_to_pay(shop: Shop) -> None:
    await shop.say("I need 10 blue pipes")
    answer = await shop.say("yes, go ahead")
    assert shop.called == [(PLACE.name, TEN), (LINK.name, {"order_id": "ORD-77"})]
    assert "Your order ORD-77 is placed" in answer
    assert "https://pay.acme.test/ORD-77" in answer


async def test_an_order_is_made_once(shop: Shop) -> None:
    await shop.say("I need 10 blue pipes")
    await shop.say("yes")
    for text in ("yes", "ok", "thanks", "sure, perfect"):
        await shop.say(text)
        assert shop.called == [], text


@pytest.mark.parametrize("text", ["no, thanks", "how late are you open?", "¿cómo va?"])
async def test_what_is_no_yes_makes_no_order(shop: Shop, text: str) -> None:
    await shop.say("I need 10 blue pipes")
    answer = await shop.say(text)
    assert PLACE.name not in [name for name, _ in shop.called]
    assert "placed" not in answer


async def test_a_price_is_looked_up_and_nothing_is_quoted(shop: Shop) -> None:
    answer = await shop.say("how much is the hammer?")
    assert shop.called == [(SEARCH.name, {"query": "hammer"})]
    assert "Claw hammer (H1) costs $19.00" in answer
    assert "There are 3 in stock" in answer


async def test_each_thing_is_looked_up_and_all_are_quoted_together(shop: Shop) -> None:
    await shop.say("I need 2 blue pipes and 1 hammer")
    assert [name for name, _ in shop.called] == [SEARCH.name, SEARCH.name, QUOTE.name]
    assert shop.called[-1][1] == {
        "items": [{"sku": "T1", "quantity": 2}, {"sku": "H1", "quantity": 1}]
    }


async def test_another_quantity_is_quoted_anew_without_a_search(shop: Shop) -> None:
    await shop.say("I need 10 blue pipes")
    answer = await shop.say("make it 20")
    assert shop.called == [(QUOTE.name, {"items": [{"sku": "T1", "quantity": 20}]})]
    assert "$90.00" in answer
    await shop.say("yes")
    assert shop.called[0] == (PLACE.name, {"items": [{"sku": "T1", "quantity": 20}]})


async def test_more_than_there_is_is_said_with_the_quote(shop: Shop) -> None:
    assert "only 5 of Grey PVC pipe" in await shop.say("I need 9 grey pipes")


async def test_the_order_that_was_spoken_of_is_the_one_asked_about(shop: Shop) -> None:
    await shop.say("I need 10 blue pipes")
    await shop.say("yes")
    answer = await shop.say("what is the status of my order?")
    assert shop.called == [(STATUS.name, {"order_id": "ORD-77"})]
    assert "on its way" in answer


REFUSED = {
    "in words": f"Error: {PLACE.name} answered with an error: Sold out.",
    "as data": '{"error": "Sold out.", "order_id": "ORD-0", "lines": [{"sku": "T1", "name": "Pipe",'
    ' "price": 4.5, "quantity": 10}]}',
}


@pytest.mark.parametrize("how", REFUSED)
async def test_a_failed_order_is_not_called_a_success(shop: Shop, how: str) -> None:
    shop.failing = {PLACE.name: REFUSED[how]}
    await shop.say("I need 10 blue pipes")
    answer = await shop.say("yes")
    assert [name for name, _ in shop.called] == [PLACE.name]
    assert "I could not complete it: Sold out." in answer
    assert "placed" not in answer


async def test_a_store_that_is_down_is_not_asked_on(shop: Shop) -> None:
    shop.failing = {SEARCH.name: "Error: The store cannot be reached."}
    answer = await shop.say("how much is the hammer?")
    assert shop.called == [(SEARCH.name, {"query": "hammer"})]
    assert "cannot be reached" in answer


async def test_an_order_whose_link_fails_is_told_with_the_failure(shop: Shop) -> None:
    shop.failing = {LINK.name: '{"error": {"code": "down", "message": "Try later."}}'}
    await shop.say("I need 10 blue pipes")
    answer = await shop.say("yes")
    assert "ORD-77 is placed" in answer
    assert "Try later" in answer
    assert "https://" not in answer


async def test_what_the_store_does_not_have_is_not_made_up(shop: Shop) -> None:
    answer = await shop.say("do you sell bicycles?")
    assert shop.called == [(SEARCH.name, {"query": "bicycles"})]
    assert "I cannot find “bicycles”" in answer


async def test_a_conversation_is_not_handed_on_by_words_alone(shop: Shop) -> None:
    agents = {"type": "string", "enum": ["catalogue", "orders"]}
    shop.tools += (tool("hand_off", "Let another agent answer: orders, price", agent=agents),)
    await shop.say("how much is the hammer? I want to order, what is the price")
    assert [name for name, _ in shop.called] == [SEARCH.name]


INVOICES = ToolSpec(
    "books__find_invoices",
    "Finds invoices of a customer, or those you have by number",
    {"type": "object", "properties": {"customer": {"type": "string", "default": ""}}},
)


async def test_a_message_that_does_not_say_which_looks_at_nothing(shop: Shop) -> None:
    shop.tools, shop.failing = (INVOICES,), {INVOICES.name: "[]"}
    await shop.say("find the invoices you have, please")
    assert shop.called == []
    await shop.say("find the invoices of Acme Builders, please")
    assert shop.called == [(INVOICES.name, {"customer": "Acme Builders"})]


async def test_arguments_written_in_another_way_are_the_same_call(shop: Shop) -> None:
    shop.tools = (replace(SEARCH, parameters={**SEARCH.parameters, "title": "x"}), QUOTE)
    await shop.say("I need 10 blue pipes and 2 hammers")
    assert [name for name, _ in shop.called].count(QUOTE.name) == 1
