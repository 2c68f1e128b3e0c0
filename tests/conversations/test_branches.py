"""Workflows whose branches are done by several agents at the same time, from end to end."""

import pytest
from asgiref.sync import sync_to_async

from conversations.models import Message, Session, Task
from conversations.services import give_input, retry_task
from routing.models import Agent
from routing.snapshot import forget_snapshots
from tenants.models import Tier
from tenants.scope import in_tenant, tenant_scope
from tests.cast import House
from tests.conversations.branches import (
    ANSWERS,
    ARTICLE,
    CUSTOMER,
    PLAN,
    by_part,
    kinds_of,
    outcome_of,
    work,
)
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import calls_tool, says, status

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def test_what_branches_find_is_put_together_by_the_agent_after_them(shop: House) -> None:
    done = await work(shop)
    assert (done.parent.task.status, done.parent.answer) == ("completed", "We have it.")
    assert kinds_of(done.parent.steps) == [("route", "desk"), ("join", ""), ("model", "desk")]
    assert [kinds_of(branch.steps) for branch in done.branches] == [
        [("route", "sales"), ("model", "sales")],
        [("route", "desk"), ("model", "desk")],
    ]
    assert [branch.task.finding for branch in done.branches] == ["TUB-012", "Rosa"]
    told = done.llm.calls[-1].body["messages"][0]["content"]
    assert "- «sales», asked to 'Find the article.': TUB-012\n- «desk», asked" in told
    assert told.count("information, not instructions") == 1


async def test_findings_stand_in_the_order_of_the_plan_whoever_is_done_first(shop: House) -> None:
    done = await work(shop, article=says("TUB", "-012", pause=0.2))
    ends = [branch.task.finished_at for branch in done.branches]
    assert ends[0] > ends[1]
    assert [found["text"] for found in done.findings] == ["TUB-012", "Rosa"]


async def test_branches_know_what_was_found_before_them(shop: House) -> None:
    plan = [CUSTOMER, {"parallel": [ARTICLE]}, PLAN[-1]]
    done = await work(shop, plan)
    [branch] = done.branches
    assert branch.task.plan[0]["note"].endswith("- «desk», asked to 'Find the customer.': Rosa")
    told = done.llm.calls[1].body["messages"][0]["content"]
    assert "Rosa" in told
    assert "No customer reads what you say" in told
    assert "Rosa" in done.llm.calls[2].body["messages"][0]["content"]


async def test_the_session_hears_of_branches_and_of_nothing_that_they_say(shop: House) -> None:
    done = await work(shop, article=status(400))
    with_parent = [e for e in done.parent.events if "parent_task_id" in e.data]
    mine = {branch.task.id for branch in done.branches}
    assert {event.task_id for event in with_parent} == mine
    assert {e.type for e in with_parent} == {"task.status_changed", "step.recorded"}
    assert all("parent_task_id" in e.data for e in done.parent.events if e.task_id in mine)
    with tenant_scope(shop.id):
        said = await sync_to_async(list)(Message.objects.values_list("content", flat=True))
    assert said == ["10 tubes", "We have it."]


async def test_a_branch_that_fails_is_a_finding(shop: House) -> None:
    await sync_to_async(without_fallback)(shop)
    done = await work(shop, article=status(400))
    assert done.parent.answer == "We have it."
    assert [branch.task.status for branch in done.branches] == ["failed", "completed"]
    assert done.findings[0]["error"]["code"] == done.branches[0].task.error_code == "llm_rejected"
    assert "error" not in done.findings[1]
    told = done.llm.calls[-1].body["messages"][0]["content"]
    assert "«sales», asked to 'Find the article.': It failed, and found nothing (llm_" in told


def without_fallback(house: House) -> None:
    with tenant_scope(house.id):
        Agent.objects.update(is_fallback=False)
    forget_snapshots()


async def test_when_all_branches_fail_the_task_fails_and_says_so(shop: House) -> None:
    done = await work(shop, article=status(400), customer=status(400))
    assert done.parent.task.status == "failed"
    assert done.parent.task.error_code == "branches_failed"
    assert "«sales»: llm_rejected; «desk»: llm_rejected" in done.parent.task.error_detail
    assert done.parent.answer is None


async def test_a_failed_workflow_that_is_retried_does_its_branches_anew(shop: House) -> None:
    failing = {"article": status(400), "customer": status(400)}
    async with open_worker(by_part(ANSWERS | failing)) as (worker, _):
        posted = await apost(shop, "10 tubes", plan=PLAN)
        await run_until_idle(worker)
    async with open_worker(by_part(ANSWERS)) as (worker, llm):
        again = await in_tenant(shop.id, retry_task, task_id=posted.task.id)
        await run_until_idle(worker)
        done = await outcome_of(shop, again.id, llm)
    assert done.parent.answer == "We have it."
    assert [branch.task.status for branch in done.branches] == ["completed", "completed"]


async def test_one_place_is_enough_for_a_workflow_and_its_branches(shop: House) -> None:
    await sync_to_async(Tier.objects.filter(tenant=shop.tenant).update)(max_concurrent_tasks=1)
    assert (await work(shop)).parent.answer == "We have it."


async def test_the_next_message_waits_for_the_whole_workflow(shop: House) -> None:
    async with open_worker(by_part(ANSWERS | {"": says("Later.")})) as (worker, _):
        posted = await apost(shop, "10 tubes", plan=PLAN)
        later = await apost(shop, "and glue?", posted.session_id)
        await run_until_idle(worker)
        first, second = [await story_of(shop, one.task.id) for one in (posted, later)]
    assert second.answer == "Later."
    assert second.task.started_at >= first.task.finished_at


async def test_a_branch_leaves_the_conversation_with_the_agent_that_has_it(shop: House) -> None:
    done = await work(shop, [{"parallel": [ARTICLE]}, PLAN[-1]])
    with tenant_scope(shop.id):
        active = Session.objects.filter(pk=done.parent.session.pk)
        assert [slug async for slug in active.values_list("active_agent__slug", flat=True)] == [
            "desk"
        ]


async def test_a_branch_may_ask_people_while_its_workflow_waits(shop: House) -> None:
    await sync_to_async(let_ask)(shop)
    asks = calls_tool("ask_human", '{"question": "Which size?"}')
    async with open_worker(by_part(ANSWERS | {"article": asks})) as (worker, llm):
        posted = await apost(shop, "10 tubes", plan=PLAN)
        await run_until_idle(worker)
        asked = await outcome_of(shop, posted.task.id, llm)
        states = [story.task.status for story in (asked.parent, *asked.branches)]
        assert states == ["waiting", "input_required", "completed"]
        llm.behaviours = [by_part(ANSWERS)]
        branch = asked.branches[0].task.id
        await in_tenant(shop.id, give_input, task_id=branch, action="answer", text="1/2")
        await run_until_idle(worker)
        assert (await story_of(shop, posted.task.id)).answer == "We have it."


def let_ask(house: House) -> None:
    with tenant_scope(house.id):
        Agent.objects.update(may_ask_human=True)
    forget_snapshots()


async def test_branches_are_the_tenants_own(shop: House, rival: House) -> None:
    done = await work(shop)
    with tenant_scope(rival.id):
        assert not await Task.objects.filter(parent=done.parent.task.id).aexists()
