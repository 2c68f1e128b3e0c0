import time
from dataclasses import replace

import pytest

from routing.errors import LLMTimeout, LLMUnreachable
from routing.llm import retry
from routing.llm.retry import RetryBudget, RetryPolicy
from routing.models import Agent
from routing.snapshot import forget_snapshots, get_snapshot
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, story_of
from tests.fakes.llm_door import HELLO, open_door
from tests.fakes.llm_server import chunk, data, drips, hangs, says, status

WORD = data(chunk({"content": "la "}))


async def test_an_endless_answer_ends_at_the_deadline_and_is_not_tried_again() -> None:
    async with open_door(drips(WORD, pause=0.01)) as door:
        began = time.monotonic()
        with pytest.raises(LLMTimeout, match=r"longer than 0\.2 s"):
            await door.stream(deadline_seconds=0.2, timeout_seconds=5)
        assert 0.2 <= time.monotonic() - began < 10
        assert len(door.fake.calls) == 1


async def test_silence_after_a_word_ends_at_the_deadline_too() -> None:
    async with open_door(hangs(WORD)) as door:
        with pytest.raises(LLMTimeout, match="longer"):
            await door.stream(deadline_seconds=0.1, timeout_seconds=5)
        assert door.fake.calls[0].was_closed


@pytest.mark.parametrize("retries", [0, 1, 4])
async def test_a_target_says_how_often_it_is_tried_again(retries: int) -> None:
    async with open_door(status(503)) as door:
        with pytest.raises(LLMUnreachable):
            await door.complete(max_retries=retries)
        assert len(door.fake.calls) == 1 + retries


async def test_no_retry_begins_when_the_customer_has_waited_long_enough() -> None:
    policy = RetryPolicy(attempts=9, first_wait_seconds=0.001, max_seconds=0.15)
    async with open_door(hangs(starts=False), retry=policy) as door:
        with pytest.raises(LLMTimeout):
            await door.complete(timeout_seconds=0.1)
        assert len(door.fake.calls) == 2


async def test_retries_are_a_share_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "SPARE_RETRIES", 3.0)
    async with open_door(status(503)) as door:
        for _ in range(20):
            with pytest.raises(LLMUnreachable):
                await door.complete()
        spare, of_the_calls = 3, 1
        assert 20 + spare + of_the_calls <= len(door.fake.calls) <= 20 + spare + 2
        other = replace(door.target, tenant_id="another", max_retries=1)
        before = len(door.fake.calls)
        with pytest.raises(LLMUnreachable):
            await door.client.complete(other, HELLO)
        assert len(door.fake.calls) == before + 2


def test_budgets_of_names_that_nobody_calls_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "MAX_BUDGETS", 2)
    budget = RetryBudget()
    while budget.take("old"):
        pass
    for name in ("a", "b"):
        budget.note_call(name)
    assert budget.take("old")


def test_waits_are_one_two_and_four_seconds() -> None:
    policy = RetryPolicy()
    for attempt, seconds in ((2, 1), (3, 2), (4, 4)):
        wait = policy.wait_before(attempt, LLMTimeout())
        assert wait is not None
        assert seconds / 2 <= wait <= seconds
    assert policy.wait_before(5, LLMTimeout()) is None


def impatient(house: House, **values: float) -> House:
    with tenant_scope(house.id):
        Agent.objects.filter(slug="sales").update(**values)
    forget_snapshots()
    return house


def test_an_agent_carries_its_patience_to_every_target(acme: House) -> None:
    impatient(acme, timeout_seconds=7, max_retries=1)
    with tenant_scope(acme.id):
        snapshot = get_snapshot(acme.id, 1)
    target = snapshot.agents["sales"].target
    assert target is not None
    assert (target.deadline_seconds, target.timeout_seconds, target.max_retries) == (7, 7, 1)
    assert snapshot.supervisor_target is not None
    assert snapshot.supervisor_target.deadline_seconds is None


@pytest.fixture
def hasty(transactional_db: None, acme: House) -> House:
    return impatient(ask_fake_llm(acme), timeout_seconds=0.1, max_retries=1)


async def test_an_agent_that_times_out_is_tried_again_and_then_replaced(hasty: House) -> None:
    async with open_worker(hangs(), hangs(), says("aquí estoy")) as (worker, fake):
        posted = await apost(hasty, "price?")
        await worker.run_once()
        assert len(fake.calls) == 3
    story = await story_of(hasty, posted.task.id)
    _, timed_out, answered = story.steps
    assert (timed_out.agent_slug, timed_out.output["code"]) == ("sales", "llm_timeout")
    assert (answered.agent_slug, story.answer) == ("desk", "aquí estoy")
