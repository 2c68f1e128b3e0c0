import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations.feedback_models import Feedback
from conversations.models import Message
from prompts.models import PromptVersion
from prompts.outcomes import outcomes_of
from prompts.services import publish_version, save_draft
from tenants.principals import Scope
from tenants.scope import tenant_scope
from tests.callers import NO_SUCH_ID, Caller, assert_problem, make_key
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle
from tests.fakes.llm_server import Behaviour, says, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def answered(house: House, *behaviours: Behaviour) -> list[str]:
    """Ids of the answers to as many questions, each in a session of its own."""
    async with open_worker(*behaviours) as (worker, _):
        for _ in behaviours:
            await apost(house, "price")
            await run_until_idle(worker)
    return await sync_to_async(answers)(house)


def answers(house: House, role: str = "assistant") -> list[str]:
    with tenant_scope(house.id):
        return [str(row.id) for row in Message.objects.filter(role=role).order_by("task_id")]


def rate(house: House, message_id: str, rating: str = "up", **body: Any) -> Any:
    path = f"/api/v1/messages/{message_id}/feedback"
    return Caller(make_key(house.tenant)).post(path, {"rating": rating, **body})


def outcomes(house: House) -> Any:
    """Of the versions of the prompt of sales, by number."""
    with tenant_scope(house.id):
        rows = PromptVersion.objects.filter(prompt__slug="sales")
        numbers = dict(rows.values_list("id", "number"))
        return {numbers[id_]: found for id_, found in outcomes_of(list(numbers)).items()}


async def test_an_answer_is_rated_and_counts_for_the_version_it_was_given_under(
    shop: House,
) -> None:
    [message_id] = await answered(shop, says("ok"))

    def check() -> None:
        with tenant_scope(shop.id):
            prompt = shop.agents["sales"].prompt
            publish_version(version=save_draft(prompt=prompt, source="Otra."))
        given = rate(shop, message_id, "down", comment="Lento", user={"id": "c-1"}).json()
        assert (given["rating"], given["comment"], given["user_id"]) == ("down", "Lento", "c-1")
        found = outcomes(shop)
        assert (found[1].num_down, found[1].num_up, found[1].num_tasks) == (1, 0, 1)
        assert found[2].num_down == 0

    await sync_to_async(check)()


async def test_each_person_has_one_opinion_and_may_change_it(shop: House) -> None:
    [message_id] = await answered(shop, says("ok"))

    def check() -> None:
        for rating in ("down", "up"):
            assert rate(shop, message_id, rating, user={"id": "c-1"}).status_code == 200
        assert rate(shop, message_id, "down").status_code == 200
        with tenant_scope(shop.id):
            found = Feedback.objects.values_list("user_ref", "rating").order_by("user_ref")
            assert list(found) == [("", "down"), ("c-1", "up")]

    await sync_to_async(check)()


async def test_a_rate_says_how_sure_it_is(shop: House) -> None:
    ids = await answered(shop, says("ok"), says("ok"), status(400), says("ok"))

    def check() -> None:
        rate(shop, ids[0], "up")
        rate(shop, ids[1], "down")
        key = make_key(shop.tenant, [Scope.PROMPTS_READ])
        told = Caller(key).get("/api/v1/prompts/sales/versions/1/outcomes").json()
        assert (told["num_tasks"], told["failure"]["rate"]) == (4, 0.25)
        assert (told["success"]["rate"], told["success"]["num_trials"]) == (0.5, 2)
        assert told["success"]["low"] < 0.1 < 0.9 < told["success"]["high"]

    await sync_to_async(check)()


async def test_a_version_that_fails_shows_it_though_another_agent_answered(shop: House) -> None:
    await answered(shop, status(400))

    def check() -> None:
        found = outcomes(shop)[1]
        assert (found.num_tasks, found.num_failed) == (1, 1)

    await sync_to_async(check)()


async def test_only_answers_of_this_tenant_can_be_rated(shop: House, rival: House) -> None:
    [message_id] = await answered(shop, says("ok"))

    def check() -> None:
        foreign, absent = rate(rival, message_id), rate(rival, NO_SUCH_ID)
        assert_problem(foreign, 404, "not_found")
        assert foreign.json()["detail"] == absent.json()["detail"]
        [question] = answers(shop, role="user")
        assert_problem(rate(shop, question), 422, "feedback_not_possible")
        assert_problem(rate(shop, message_id, "meh"), 422, "validation_failed")
        assert json.loads(rate(shop, message_id).content)["rating"] == "up"

    await sync_to_async(check)()
