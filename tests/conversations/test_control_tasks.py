import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from conversations.errors import SessionNotOpen, StepNotFound, TaskNotFound
from conversations.models import Event, Task
from conversations.services import (
    Verb,
    cancel_task,
    close_session,
    fork_task,
    pause_task,
    resume_task,
    retry_task,
    verbs_for,
)
from conversations.states import TASK_MOVES, TERMINAL, TaskStatus
from orkesta.errors import StateConflict
from tenants.scope import in_tenant, scopes_disabled, tenant_scope
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, post, run_until_idle, story_of
from tests.fakes.llm_server import hangs, says, status

pytestmark = pytest.mark.django_db(transaction=True)
HELLO = b'data: {"choices":[{"index":0,"delta":{"content":"Ho"}}]}\n\n'
VERBS = {
    Verb.PAUSE: pause_task,
    Verb.RESUME: resume_task,
    Verb.RETRY: retry_task,
    Verb.FORK: partial(fork_task, after_step=0),
    Verb.CANCEL: cancel_task,
}
CONTROLS = [cancel_task, pause_task, resume_task, retry_task]


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


def become(task_id: UUID, to: str) -> None:
    with scopes_disabled():
        Task.objects.filter(pk=task_id).update(status=to)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.__name__)
@pytest.mark.parametrize("frm", TaskStatus)
def test_it_moves_a_task_only_as_the_table_allows(
    acme: House, control: object, frm: TaskStatus
) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, frm)
    with tenant_scope(acme.id):
        with suppress(StateConflict):
            control(task_id=posted.task.id)  # type: ignore[operator]
        now = TaskStatus(Task.objects.get(pk=posted.task.id).status)
    assert now == frm or now in TASK_MOVES[frm]


@pytest.mark.parametrize("frm", sorted(set(TaskStatus) - {TaskStatus.PAUSED}))
def test_it_resumes_nothing_but_what_is_paused(acme: House, frm: TaskStatus) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, frm)
    with tenant_scope(acme.id), pytest.raises(StateConflict):
        resume_task(task_id=posted.task.id)


def test_nothing_follows_an_end() -> None:
    assert {to for end in TERMINAL for to in TASK_MOVES[end]} == set()


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.__name__)
def test_it_hides_tasks_of_other_tenants(acme: House, rival: House, control: object) -> None:
    posted = post(rival, "hola")
    with tenant_scope(acme.id), pytest.raises(TaskNotFound):
        control(task_id=posted.task.id)  # type: ignore[operator]


async def test_it_pauses_in_the_middle_of_an_answer_and_resumes_without_repeating_steps(
    shop: House,
) -> None:
    async with open_worker(hangs(HELLO), says("Hola")) as (worker, fake):
        posted = await apost(shop, "precio")
        running = asyncio.create_task(worker.run_forever())
        await until(lambda: len(fake.calls) == 1)
        await in_tenant(shop.id, pause_task, task_id=posted.task.id)
        await until(lambda: fake.calls[0].was_closed)
        await until_status(shop, posted.task.id, "paused")
        await in_tenant(shop.id, resume_task, task_id=posted.task.id)
        await until_status(shop, posted.task.id, "completed")
        await worker.drain()
        await running
    story = await story_of(shop, posted.task.id)
    assert story.answer == "Hola"
    assert story.statuses == ["queued", "processing", "paused", "queued", "processing", "completed"]
    assert [step.kind for step in story.steps] == ["route", "model"]


def test_it_does_not_take_back_a_cancellation_for_a_pause(acme: House) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, "processing")
    with tenant_scope(acme.id):
        cancel_task(task_id=posted.task.id)
        with pytest.raises(StateConflict):
            pause_task(task_id=posted.task.id)
        assert Task.objects.get().wanted == "cancel"


def test_it_cancels_what_was_to_be_paused(acme: House) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, "processing")
    with tenant_scope(acme.id):
        assert pause_task(task_id=posted.task.id).wanted == "pause"
        assert cancel_task(task_id=posted.task.id).wanted == "cancel"


def test_it_holds_back_a_paused_task(acme: House) -> None:
    posted = post(acme, "hola")
    with tenant_scope(acme.id):
        assert pause_task(task_id=posted.task.id).status == "paused"
        assert pause_task(task_id=posted.task.id).status == "paused"


@pytest.mark.parametrize(
    ("control", "frm"), [(resume_task, "paused"), (retry_task, "failed"), (retry_task, "cancelled")]
)
def test_it_lets_one_of_many_at_once_win(acme: House, control: object, frm: str) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, frm)
    assert sum(together(acme, lambda _: control(task_id=posted.task.id))) == 1  # type: ignore[operator]
    with tenant_scope(acme.id):
        assert Task.objects.filter(status="queued").count() == 1


def test_it_cancels_once_however_many_ask(acme: House) -> None:
    posted = post(acme, "hola")
    assert all(together(acme, lambda _: cancel_task(task_id=posted.task.id)))
    with tenant_scope(acme.id):
        events = Event.objects.filter(type="task.status_changed", data__status="cancelled")
        assert events.count() == 1


def test_it_ends_as_one_of_two_wanted_and_not_as_both(acme: House) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, "paused")
    controls = [resume_task, cancel_task] * 4
    together(acme, lambda number: controls[number](task_id=posted.task.id))
    with tenant_scope(acme.id):
        assert Task.objects.get().status == "cancelled"
        told = list(Event.objects.order_by("seq").values_list("seq", "data__status"))
    assert [seq for seq, _ in told] == list(range(1, len(told) + 1))
    assert [status for _, status in told].count("cancelled") == 1


def together(house: House, act: Callable[[int], object]) -> list[bool]:
    """Eight threads that do it at once: whether each got its way."""
    start = Barrier(8)

    def one(number: int) -> bool:
        with tenant_scope(house.id):
            start.wait(10)
            try:
                act(number)
            except StateConflict:
                return False
            finally:
                connection.close()
            return True

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(8)))


def test_it_retries_again_once_the_last_try_has_ended(acme: House) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, "failed")
    with tenant_scope(acme.id):
        again = retry_task(task_id=posted.task.id)
        with pytest.raises(StateConflict):
            retry_task(task_id=posted.task.id)
        become(again.id, "failed")
        assert retry_task(task_id=posted.task.id).id != again.id


@pytest.mark.parametrize("frm", TaskStatus)
def test_it_offers_what_it_then_does_and_nothing_else(acme: House, frm: TaskStatus) -> None:
    task = post(acme, "hola").task
    for verb, control in VERBS.items():
        become(task.id, frm)
        with tenant_scope(acme.id):
            task.refresh_from_db()
            is_offered = verb in verbs_for(task)
            try:
                changed = control(task_id=task.id)
            except StateConflict:
                assert not is_offered, verb
            else:
                assert is_offered or changed.status == frm, verb
            Task.objects.exclude(pk=task.pk).update(status="completed")


async def test_it_retries_a_failed_task_after_its_last_good_step(shop: House) -> None:
    async with open_worker(status(400), status(400), says("Hola")) as (worker, fake):
        posted = await apost(shop, "precio")
        await run_until_idle(worker)
        retried = await in_tenant(shop.id, retry_task, task_id=posted.task.id)
        await run_until_idle(worker)
        first = await story_of(shop, posted.task.id)
        second = await story_of(shop, retried.id)
    assert (first.task.status, second.task.status) == ("failed", "completed")
    assert second.answer == "Hola"
    assert [step.kind for step in second.steps] == ["route", "model"]
    assert second.steps[0].reason == first.steps[0].reason
    assert len(fake.calls) == 3


async def test_it_forks_a_completed_task_from_any_step(shop: House) -> None:
    async with open_worker(says("uno"), says("dos"), says("tres")) as (worker, _):
        posted = await apost(shop, "precio")
        await run_until_idle(worker)
        forks = [
            await in_tenant(shop.id, fork_task, task_id=posted.task.id, after_step=number)
            for number in (0, 1, 2)
        ]
        await run_until_idle(worker)
        stories = [await story_of(shop, fork.id) for fork in forks]
    assert [story.answer for story in stories] == ["dos", "tres", "uno"]
    assert (await story_of(shop, posted.task.id)).answer == "uno"


async def test_it_remembers_a_forked_answer_beside_its_question(shop: House) -> None:
    async with open_worker(status(400), status(400), says("dos"), says("uno")) as (worker, fake):
        first = await apost(shop, "precio A")
        await run_until_idle(worker)
        await in_tenant(shop.id, retry_task, task_id=first.task.id)
        await apost(shop, "precio B", first.session_id)
        await run_until_idle(worker)
    said = [message["content"] for message in fake.calls[-1].body["messages"][1:]]
    assert said == ["precio A", "dos", "precio B"]


def test_it_refuses_a_fork_from_a_step_that_is_not_there(acme: House) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, "failed")
    with tenant_scope(acme.id), pytest.raises(StepNotFound):
        fork_task(task_id=posted.task.id, after_step=7)


def test_it_refuses_to_retry_in_a_closed_session(acme: House) -> None:
    posted = post(acme, "hola")
    become(posted.task.id, "failed")
    with tenant_scope(acme.id):
        close_session(session_id=posted.session_id)
        with pytest.raises(SessionNotOpen):
            retry_task(task_id=posted.task.id)


async def until(reached: object) -> None:
    async with asyncio.timeout(30):
        while not await sync_to_async(reached)():  # type: ignore[arg-type]
            await asyncio.sleep(0.01)


async def until_status(house: House, task_id: UUID, wanted: str) -> None:
    async with asyncio.timeout(30):
        while (await story_of(house, task_id)).task.status != wanted:
            await asyncio.sleep(0.01)
