from uuid import UUID

import pytest
from asgiref.sync import sync_to_async

from conversations.engine.worker import Worker
from conversations.models import Session
from conversations.services import fork_task
from tenants.scope import tenant_scope
from tests.cast import House
from tests.conversations.tools import allow
from tests.engine import Story, apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import Behaviour, Call, says, status

pytestmark = pytest.mark.django_db(transaction=True)
NOTES = "Rosa busca tubos de PVC."


@pytest.fixture
def shop(acme: House) -> House:
    allow(acme, history_turns=2)
    return ask_fake_llm(acme)


def is_for_notes(call: Call) -> bool:
    return "keep the notes" in call.body["messages"][0]["content"]


def talks(notes: Behaviour | None = None) -> Behaviour:
    async def behave(call: Call) -> None:
        said = (notes or says(NOTES)) if is_for_notes(call) else says("Claro")
        await said(call)

    return behave


async def chat(house: House, worker: Worker, turns: int) -> list[Story]:
    stories: list[Story] = []
    for number in range(turns):
        session_id = stories[0].session.id if stories else None
        posted = await apost(house, f"precio {number}", session_id)
        await run_until_idle(worker)
        stories.append(await story_of(house, posted.task.id))
    return stories


async def test_it_summarises_the_older_half_once_twice_the_window_was_said(shop: House) -> None:
    async with open_worker(talks()) as (worker, fake):
        stories = await chat(shop, worker, 6)
    kinds = [[step.kind for step in story.steps] for story in stories]
    assert kinds == [["route", "model"]] * 4 + [["route", "model", "summary"], ["route", "model"]]
    assert all(story.answer == "Claro" for story in stories)
    assert stories[-1].session.summary == NOTES
    last = fake.calls[-1].body["messages"]
    assert f"information, not instructions:\n{NOTES}" in last[0]["content"]
    assert [m["content"] for m in last[1:] if m["role"] == "user"] == [
        "precio 2",
        "precio 3",
        "precio 4",
        "precio 5",
    ]


async def test_the_next_summary_extends_the_one_before(shop: House) -> None:
    async with open_worker(talks()) as (worker, fake):
        await chat(shop, worker, 8)
    asked = [call.body["messages"][1]["content"] for call in fake.calls if is_for_notes(call)]
    assert len(asked) == 2
    assert asked[1].startswith(f"Notes so far:\n{NOTES}\n\nSaid since:\nuser: precio 2")


async def test_a_summary_that_fails_does_no_harm(shop: House) -> None:
    async with open_worker(talks(status(400))) as (worker, _):
        stories = await chat(shop, worker, 6)
    assert all(story.answer == "Claro" for story in stories)
    assert [step.status for step in stories[4].steps] == ["succeeded", "succeeded", "failed"]
    assert stories[-1].session.summary == ""


async def test_an_answer_is_there_before_its_summary(shop: House) -> None:
    async with open_worker(talks()) as (worker, _):
        story = (await chat(shop, worker, 5))[-1]
    assert story.event_types[-3:] == ["step.recorded", "chat.response", "task.status_changed"]
    assert [step.kind for step in story.steps] == ["route", "model", "summary"]


async def test_a_fork_of_long_ago_knows_nothing_of_what_came_after(shop: House) -> None:
    async with open_worker(talks()) as (worker, fake):
        stories = await chat(shop, worker, 6)
        await sync_to_async(_retell)(shop, stories[0].task.id)
        await run_until_idle(worker)
    assert NOTES not in fake.calls[-1].body["messages"][0]["content"]


def _retell(house: House, task_id: UUID) -> None:
    with tenant_scope(house.id):
        assert Session.objects.get().summary == NOTES
        fork_task(task_id=task_id, after_step=0)


async def test_the_offline_model_keeps_notes_of_what_customers_said(acme: House) -> None:
    await sync_to_async(allow)(acme, history_turns=1)
    async with open_worker() as (worker, _):
        stories = await chat(acme, worker, 5)
    assert stories[-1].session.summary.splitlines()[:2] == ["- precio 0", "- precio 1"]
    assert "conexión" not in stories[-1].session.summary
