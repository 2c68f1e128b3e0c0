from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations.engine.actions import CallModel, Finish, GiveUp
from conversations.engine.folding import after, fold
from conversations.engine.orchestrator import next_action
from conversations.engine.state import StepRecord, TaskState
from conversations.plan import Part
from conversations.states import StepKind, StepStatus
from tests.callers import Caller, assert_problem, make_key
from tests.cast import House
from tests.engine import Story, apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import Behaviour, FakeLLM, says, status

pytestmark = pytest.mark.django_db(transaction=True)

PLAN = [
    {"agent": "sales", "instruction": "Find the article."},
    {"agent": "desk", "instruction": "Tell the customer."},
]


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def work(house: House, *behaviours: Behaviour, **values: Any) -> tuple[Story, FakeLLM]:
    async with open_worker(*behaviours) as (worker, fake):
        posted = await apost(house, "10 tubes", **{"plan": PLAN} | values)
        await run_until_idle(worker)
        return await story_of(house, posted.task.id), fake


async def test_agents_do_their_parts_in_turn_and_the_last_one_answers(shop: House) -> None:
    story, fake = await work(shop, says("TUB-012, 240 in stock"), says("We have it."))
    assert (story.task.status, story.answer) == ("completed", "We have it.")
    assert [(step.kind, step.agent_slug) for step in story.steps] == [
        ("route", "sales"),
        ("model", "sales"),
        ("model", "desk"),
    ]
    assert story.steps[1].reason == "Part 1 of 2: Find the article."
    assert story.steps[2].reason == "Part 2 of 2: Tell the customer."
    first, last = (call.body["messages"][0]["content"] for call in fake.calls)
    assert "You do part 1 of 2 of a plan." in first
    assert "Find the article." in first
    assert "TUB-012" not in first
    assert "«sales», asked to 'Find the article.': TUB-012, 240 in stock" in last
    assert "Yours is the last" in last


async def test_what_is_found_on_the_way_is_no_answer_of_the_customers(shop: House) -> None:
    story, _ = await work(shop, says("TUB-012"), says("We have it."))
    assert [m.content for m in story.messages] == ["10 tubes", "We have it."]
    assert story.steps[1].output["is_interim"] is True
    assert "is_interim" not in story.steps[2].output


async def test_a_part_that_fails_is_done_by_the_fallback_agent(shop: House) -> None:
    story, _ = await work(shop, status(400), says("by the desk"), says("Done."))
    assert [(s.agent_slug, s.status) for s in story.steps[1:]] == [
        ("sales", "failed"),
        ("desk", "succeeded"),
        ("desk", "succeeded"),
    ]
    assert story.answer == "Done."


async def test_a_workflow_that_was_stopped_goes_on_with_the_part_it_was_at(shop: House) -> None:
    async with open_worker(says("TUB-012"), status(400)) as (worker, _):
        posted = await apost(shop, "10 tubes", plan=PLAN)
        await run_until_idle(worker)
    failed = await story_of(shop, posted.task.id)
    assert failed.task.status == "failed"
    with as_retry(failed) as steps:
        state = fold(steps, plan=parts())
    assert state.num_parts_done == 1
    assert next_action(state) == CallModel("desk", "Part 2 of 2: Tell the customer.")


@contextmanager
def as_retry(story: Story) -> Iterator[list[StepRecord]]:
    """The good steps, as a retry takes them over."""
    yield [
        StepRecord(
            number=row.number,
            kind=StepKind(row.kind),
            status=StepStatus(row.status),
            agent_slug=row.agent_slug,
            output=row.output,
        )
        for row in story.steps
        if row.status == "succeeded"
    ]


def parts(count: int = 2) -> tuple[Part, ...]:
    return tuple(Part(part["agent"], part["instruction"]) for part in PLAN[:count])


def said(number: int, agent: str, text: str) -> StepRecord:
    return StepRecord(
        number, StepKind.MODEL, StepStatus.SUCCEEDED, agent_slug=agent, output={"text": text}
    )


def routed(**output: Any) -> StepRecord:
    return StepRecord(1, StepKind.ROUTE, StepStatus.SUCCEEDED, agent_slug="sales", output=output)


def test_without_a_plan_the_first_answer_is_the_answer() -> None:
    state = fold([routed(), said(2, "sales", "Diez.")])
    assert next_action(state) == Finish("Diez.", "sales")


def test_each_part_has_the_steps_of_its_agent_to_itself() -> None:
    steps = [routed(max_steps=2), said(2, "sales", "uno")]
    assert isinstance(next_action(fold(steps)), Finish)
    assert isinstance(next_action(fold(steps, plan=parts())), CallModel)
    bounded = after(TaskState(plan=parts()), routed(max_steps=1, max_task_tokens=5))
    assert (bounded.limits.max_steps, bounded.limits.max_tokens) == (2, 10)
    spent = StepRecord(
        2, StepKind.MODEL, StepStatus.SUCCEEDED, "sales", output={"text": "x"}, input_tokens=10
    )
    assert isinstance(next_action(after(bounded, spent)), GiveUp)


async def test_a_key_for_some_agents_may_plan_with_these_only(acme: House) -> None:
    def check() -> None:
        key = make_key(acme.tenant, agents=["sales"])
        body = {"kind": "workflow", "input": "x", "plan": PLAN}
        assert_problem(Caller(key).post("/api/v1/execute", body), 403, "agent_not_allowed")
        body["plan"] = PLAN[:1]
        assert Caller(key).post("/api/v1/execute", body).status_code == 202

    await sync_to_async(check)()
