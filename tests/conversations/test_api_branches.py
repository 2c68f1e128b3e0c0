"""Workflows with branches, as clients see them."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from tests.callers import Caller, assert_problem
from tests.cast import House
from tests.conversations.branches import ARTICLE, CUSTOMER, Outcome, work
from tests.engine import ask_fake_llm
from tests.fakes.llm_server import says, status

pytestmark = pytest.mark.django_db(transaction=True)


async def run(house: House, api: Caller, **behaviours: Any) -> tuple[Outcome, dict[str, Any]]:
    done = await work(await sync_to_async(ask_fake_llm)(house), **behaviours)
    return done, await read(api, done.parent.task.id)


async def read(api: Caller, task_id: Any) -> dict[str, Any]:
    response = await sync_to_async(api.get)(f"/api/v1/tasks/{task_id}")
    return dict(response.json())


async def test_a_workflow_shows_its_branches_in_the_order_of_the_plan(
    acme: House, acme_api: Caller
) -> None:
    done, told = await run(acme, acme_api, customer=status(404))
    first, second = told["branches"]
    assert [one["task_id"] for one in (first, second)] == [str(b.task.id) for b in done.branches]
    assert (first["agent"], first["instruction"]) == ("sales", ARTICLE["instruction"])
    assert (first["status"], first["finding"], first["error"]) == ("completed", "TUB-012", None)
    assert (second["status"], second["error"]["code"]) == ("failed", "llm_rejected")
    assert told["plan"][0] == {"parallel": [ARTICLE, CUSTOMER]}
    join = told["intermediate_results"][1]
    assert (join["kind"], join["status"]) == ("join", "succeeded")
    assert [found["status"] for found in join["output"]["findings"]] == ["completed", "failed"]
    assert join["input"] == {"branches": [
        {"task_id": one["task_id"], "agent": one["agent"], "instruction": one["instruction"]}
        for one in told["branches"]
    ]}  # fmt: skip


async def test_usage_is_that_of_the_workflow_and_of_its_branches(
    acme: House, acme_api: Caller
) -> None:
    _, told = await run(acme, acme_api)
    assert told["usage"] == {"input_tokens": 33, "output_tokens": 21}
    assert [one["usage"] for one in told["branches"]] == [
        {"input_tokens": 11, "output_tokens": 7}
    ] * 2


async def test_the_steps_of_a_branch_are_an_address_away(acme: House, acme_api: Caller) -> None:
    done, told = await run(acme, acme_api)
    branch = await read(acme_api, told["branches"][0]["task_id"])
    assert branch["parent_task_id"] == str(done.parent.task.id)
    assert [step["kind"] for step in branch["intermediate_results"]] == ["route", "model"]
    assert branch["result"] == {"content": "TUB-012", "role": "assistant", "agent": "sales"}


async def test_branches_are_listed_with_their_workflow_alone(
    acme: House, acme_api: Caller, rival_api: Caller
) -> None:
    done, _ = await run(acme, acme_api)
    parent = done.parent.task.id

    def listed(api: Caller, query: str = "") -> list[str]:
        return [one["task_id"] for one in api.get(f"/api/v1/tasks{query}").json()["items"]]

    ask = sync_to_async(listed)
    assert await ask(acme_api) == [str(parent)]
    branches = {str(branch.task.id) for branch in done.branches}
    assert set(await ask(acme_api, f"?parent_task_id={parent}")) == branches
    assert await ask(rival_api, f"?parent_task_id={parent}") == []
    foreign = await sync_to_async(rival_api.get)(f"/api/v1/tasks/{branches.pop()}")
    assert_problem(foreign, 404, "not_found")


async def test_three_branches_take_the_time_of_one(acme: House, acme_api: Caller) -> None:
    plan = [{"parallel": [ARTICLE, CUSTOMER, ARTICLE]}, CUSTOMER | {"instruction": "together"}]
    shop = await sync_to_async(ask_fake_llm)(acme)
    slow = {"article": says("a", "b", pause=0.2), "customer": says("a", "b", pause=0.2)}
    done = await work(shop, plan, **slow)
    spans = [(branch.task.started_at, branch.task.finished_at) for branch in done.branches]
    # All of them are at work before the first of them is done.
    assert max(start for start, _ in spans) < min(end for _, end in spans)
