import asyncio
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.db.models import F

from conversations.engine import insistence, store
from conversations.engine.claims import Claim
from conversations.engine.state import StepRecord
from conversations.engine.worker import Worker
from conversations.errors import LeaseLost
from conversations.models import Step, Task
from conversations.services import cancel_task, give_input, pause_task, resume_task, retry_task
from conversations.states import StepKind, StepStatus
from routing.models import Tool
from routing.snapshot import forget_snapshots
from tenants.scope import in_tenant, scopes_disabled, tenant_scope
from tests.cast import House
from tests.conversations.tools import Scene, open_scene
from tests.engine import Story, apost, ask_fake_llm, run_until_idle, story_of
from tests.fakes.llm_server import calls_tools, says, status

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("tool_calls"),
]
ORDER = calls_tools(("order", {"sku": "TUB-050", "quantity": 10}))


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


async def declare(house: House, **values: str) -> None:
    def save() -> None:
        with tenant_scope(house.id):
            Tool.objects.filter(name="order").update(**values)
        forget_snapshots()

    await sync_to_async(save)()


async def until_asked(scene: Scene, times: int = 1) -> None:
    async with asyncio.timeout(30):
        while len(scene.shop.asked) < times:
            await asyncio.sleep(0.005)


async def start(scene: Scene) -> tuple[Story, asyncio.Task[bool]]:
    """A task that stands still in the middle of its call."""
    scene.shop.held = asyncio.Event()
    posted = await apost(scene.house, "precio")
    running = asyncio.create_task(scene.worker.run_once())
    await until_asked(scene)
    return await story_of(scene.house, posted.task.id), running


async def kill(scene: Scene, running: asyncio.Task[bool]) -> None:
    """End the worker as `kill -9` does, and let its lease run out."""
    working = [work for _, work in scene.worker.running.values()]
    # What a runner does goes on in a task of its own.
    working += [one for one in asyncio.all_tasks() if "Runner._work" in repr(one.get_coro())]
    for one in (running, *working):
        one.cancel()
    await asyncio.wait({running, *working})

    def expire() -> None:
        with scopes_disabled():
            Task.objects.update(lease_until=F("lease_until") - timedelta(minutes=1))

    await sync_to_async(expire)()
    assert scene.shop.held is not None
    scene.shop.held.set()
    scene.worker = Worker(gateway=scene.worker.gateway)


def keys_of(scene: Scene) -> list[str]:
    return [one.headers["idempotency-key"] for one in scene.shop.asked if one.method == "POST"]


async def test_an_idempotent_call_is_made_again_with_the_same_key(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        await declare(shop, recovery="idempotent")
        story, running = await start(scene)
        assert story.steps[-1].status == "started"
        await kill(scene, running)
        story = await scene.go_on(story)
    assert keys_of(scene) == [f"{story.task.id}:3:call_0"] * 2
    assert [(s.kind, s.status, s.attempt) for s in story.steps[2:]] == [
        ("tool", "succeeded", 2),
        ("model", "succeeded", 2),
    ]
    assert story.answer == "Hecho"


async def test_a_call_that_arrived_is_asked_about_and_not_made_again(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        await declare(shop, recovery="check", status_url=scene.shop.url("/calls/{key}"))
        story, running = await start(scene)
        await kill(scene, running)
        story = await scene.go_on(story)
    assert len(keys_of(scene)) == 1
    assert story.steps[2].output["data"] == {"state": "done"}
    assert story.answer == "Hecho"


async def test_a_call_that_never_arrived_is_made(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        await declare(shop, recovery="check", status_url=scene.shop.url("/calls/{key}"))
        story, running = await start(scene)
        scene.shop.asked.clear()
        await kill(scene, running)
        story = await scene.go_on(story)
    assert keys_of(scene) == [f"{story.task.id}:3:call_0"]
    assert (story.steps[2].status, story.answer) == ("succeeded", "Hecho")


async def test_a_person_is_asked_about_a_call_that_must_not_be_repeated(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        story, running = await start(scene)
        await kill(scene, running)
        story = await scene.go_on(story)
        assert (story.task.status, len(keys_of(scene))) == ("input_required", 1)
        asked = next(event.data for event in story.events if event.type == "input.required")
        assert (asked["kind"], asked["tool"]) == ("outcome", "order")
        await in_tenant(shop.id, give_input, task_id=story.task.id, action="approve", by="ana")
        story = await scene.go_on(story)
    assert keys_of(scene) == [f"{story.task.id}:3:call_0"] * 2
    assert [s.status for s in story.steps] == ["succeeded"] * 5
    assert story.answer == "Hecho"


async def test_a_call_that_a_person_does_not_want_repeated_has_failed(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Lo siento")) as scene:
        story, running = await start(scene)
        await kill(scene, running)
        story = await scene.go_on(story)
        await in_tenant(shop.id, give_input, task_id=story.task.id, action="reject", by="ana")
        story = await scene.go_on(story)
    assert len(keys_of(scene)) == 1
    assert (story.steps[2].status, story.steps[2].output["code"]) == ("failed", "outcome_unknown")
    assert story.answer == "Lo siento"
    assert "not made again" in scene.told(1)[-1]["content"]


async def test_a_call_that_changes_nothing_is_simply_made_again(shop: House) -> None:
    async with open_scene(shop, calls_tools(("price", {"sku": "a"})), says("45")) as scene:
        story, running = await start(scene)
        assert [step.kind for step in story.steps] == ["route", "model"]
        await kill(scene, running)
        story = await scene.go_on(story)
    assert (len(scene.shop.asked), story.answer) == (2, "45")


async def test_a_finished_call_is_not_made_again(shop: House) -> None:
    script = (ORDER, calls_tools(("price", {"sku": "a"})), says("Hecho"))
    async with open_scene(shop, *script) as scene:
        posted = await apost(shop, "precio")
        running = asyncio.create_task(scene.worker.run_once())
        await until_asked(scene)
        scene.shop.held = asyncio.Event()
        await until_asked(scene, 2)
        await kill(scene, running)
        await run_until_idle(scene.worker)
        story = await story_of(shop, posted.task.id)
    assert len(keys_of(scene)) == 1
    assert story.answer == "Hecho"


async def test_a_worker_that_lost_the_task_cannot_finish_its_call(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        story, running = await start(scene)

        def steal() -> None:
            with scopes_disabled():
                Task.objects.update(worker="thief", attempt=F("attempt") + 1)

        await sync_to_async(steal)()
        assert scene.shop.held is not None
        scene.shop.held.set()
        await asyncio.wait_for(running, 5)
        story = await story_of(shop, story.task.id)
    assert (story.steps[-1].kind, story.steps[-1].status) == ("tool", "started")


async def test_a_pause_waits_for_the_end_of_the_call(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        scene.shop.held = asyncio.Event()
        posted = await apost(shop, "precio")
        running = asyncio.create_task(scene.worker.run_forever())
        await until_asked(scene)
        await in_tenant(shop.id, pause_task, task_id=posted.task.id)
        await asyncio.sleep(0.2)  # the worker has heard of it, and waits
        assert (await story_of(shop, posted.task.id)).steps[-1].status == "started"
        scene.shop.held.set()
        async with asyncio.timeout(30):
            while (story := await story_of(shop, posted.task.id)).task.status != "paused":
                await asyncio.sleep(0.01)
        assert story.steps[-1].status == "succeeded"
        await in_tenant(shop.id, resume_task, task_id=story.task.id)
        async with asyncio.timeout(30):
            while (story := await story_of(shop, posted.task.id)).answer is None:
                await asyncio.sleep(0.01)
        await scene.worker.drain()
        await running
    assert len(keys_of(scene)) == 1


async def test_a_cancelled_call_is_recorded_as_one_of_unknown_outcome(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        story, running = await start(scene)
        await in_tenant(shop.id, cancel_task, task_id=story.task.id)
        await asyncio.wait_for(running, 5)
        story = await story_of(shop, story.task.id)
    assert (story.task.status, story.steps[-1].status) == ("cancelled", "failed")
    assert "not known" in story.steps[-1].output["detail"]


async def test_a_call_is_made_although_the_database_broke_while_it_was_begun(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, broken = store.begin, iter([True])

    def break_after_commit(*args: Any, **values: Any) -> Any:
        begun = begin(*args, **values)
        if next(broken, False):
            raise OperationalError("gone during COMMIT")
        return begun

    monkeypatch.setattr(store, "begin", break_after_commit)
    monkeypatch.setattr(insistence, "RETRY_SECONDS", 0.001)
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        story = await scene.ask()
    assert (len(keys_of(scene)), story.answer) == (1, "Hecho")
    assert [step.status for step in story.steps] == ["succeeded"] * 4


async def test_trying_again_does_not_repeat_a_call_that_was_cut_off(shop: House) -> None:
    async with open_scene(shop, ORDER, says("No sé si se pidió")) as scene:
        story, running = await start(scene)
        await kill(scene, running)
        story = await scene.go_on(story)
        assert story.task.status == "input_required"
        await in_tenant(shop.id, cancel_task, task_id=story.task.id)
        again = await in_tenant(shop.id, retry_task, task_id=story.task.id)
        await run_until_idle(scene.worker)
        story = await story_of(shop, again.id)
    assert (len(keys_of(scene)), story.answer) == (1, "No sé si se pidió")
    assert "not known whether it took effect" in scene.told(1)[-1]["content"]


async def test_trying_again_keeps_calls_that_were_made(shop: House) -> None:
    script = (
        calls_tools(("price", {"sku": 7})),
        ORDER,
        status(400),
        status(400),
        says("Hecho"),
    )
    async with open_scene(shop, *script) as scene:
        story = await scene.ask()
        assert (story.task.status, len(keys_of(scene))) == ("failed", 1)
        again = await in_tenant(shop.id, retry_task, task_id=story.task.id)
        await run_until_idle(scene.worker)
        story = await story_of(shop, again.id)
    assert [step.kind for step in story.steps] == [
        "route",
        "model",
        "tool",
        "model",
        "tool",
        "model",
    ]
    assert (len(keys_of(scene)), story.answer) == (1, "Hecho")


async def test_a_finished_call_is_never_written_again(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        story = await scene.ask()

    def write_again() -> None:
        with scopes_disabled():
            Task.objects.update(status="processing")
        claim = Claim(story.task.id, shop.id, story.session.id, story.task.attempt, 2)
        step = StepRecord(
            3, StepKind.TOOL, StepStatus.FAILED, input=story.steps[2].input, is_begun=True
        )
        with tenant_scope(shop.id):
            store.record(claim, step, then=None)

    with pytest.raises(LeaseLost):
        await sync_to_async(write_again)()
    assert (await story_of(shop, story.task.id)).steps[2].status == "succeeded"


async def test_a_task_that_is_cancelled_before_its_call_does_not_make_it(shop: House) -> None:
    async with open_scene(shop, ORDER, says("Hecho")) as scene:
        posted = await apost(shop, "precio")

        def want() -> None:
            with scopes_disabled():
                Task.objects.update(wanted="cancel")

        claim = scene.worker.run_once()
        await sync_to_async(want)()
        await claim
        story = await story_of(shop, posted.task.id)
        assert (story.task.status, scene.shop.asked) == ("cancelled", [])
    assert await sync_to_async(_num_started)() == 0


def _num_started() -> int:
    with scopes_disabled():
        return Step.objects.filter(status="started").count()
