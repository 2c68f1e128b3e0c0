from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from tests.cast import House
from tests.chaos.checker import faults_in
from tests.chaos.history import Acknowledged, History
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle
from tests.fakes.llm_server import says
from tests.production.till import Till
from tests.production.upstream import answer_to

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "precio #1"


def rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


async def answered(house: House) -> History:
    """One message that was accepted and is answered."""
    async with open_worker(says(answer_to(TEXT))) as (worker, _):
        posted = await apost(house, TEXT)
        await run_until_idle(worker)
    return History([Acknowledged(TEXT, str(posted.task.id), str(posted.session_id))])


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


def plant(*statements: str) -> Callable[[], None]:
    def do() -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return do


async def test_it_finds_nothing_where_all_promises_were_kept(shop: House) -> None:
    history = await answered(shop)
    assert await sync_to_async(faults_in)(history, rows) == []


@pytest.mark.parametrize(
    ("bug", "word"),
    [
        ("UPDATE conversations_task SET status = 'failed', error_code = 'poison'", "poison"),
        ("UPDATE conversations_task SET status = 'processing'", "processing"),
        ("UPDATE conversations_message SET role = 'user'", "messages of"),
        ("UPDATE conversations_message SET content = 'half'", "messages of"),
        ("UPDATE conversations_message SET task_id = NULL WHERE role = 'user'", "messages of"),
        ("DELETE FROM conversations_event WHERE type = 'task.status_changed'", "0 endings"),
        (
            "UPDATE conversations_event SET type = 'task.status_changed',"
            " data = '{\"status\": \"completed\"}' WHERE type = 'step.recorded'",
            "3 endings",
        ),
        ("DELETE FROM conversations_event WHERE seq = 2", "gaps in session"),
        ("UPDATE conversations_session SET last_seq = last_seq + 1", "gaps in session"),
        ("DELETE FROM conversations_step WHERE number = 1", "steps of"),
        ("UPDATE conversations_task SET num_steps = 3", "steps of"),
    ],
)
async def test_it_sees_every_promise_that_was_broken(shop: House, bug: str, word: str) -> None:
    history = await answered(shop)
    await sync_to_async(plant(bug))()
    found = await sync_to_async(faults_in)(history, rows)
    assert any(word in fault for fault in found), found


async def test_it_sees_a_task_that_is_lost_and_one_that_nobody_was_promised(shop: House) -> None:
    history = await answered(shop)
    nobody = await sync_to_async(faults_in)(History(), rows)
    lost = History([*history.acknowledged, Acknowledged("otra #2", "0" * 32, "0" * 32)])
    assert nobody == ["1 tasks beyond those that were accepted"]
    assert any("lost" in fault for fault in await sync_to_async(faults_in)(lost, rows))


def calls(*found: tuple[str, str]) -> Callable[[str], list[tuple[Any, ...]]]:
    """A database in which there is nothing but these calls: how each ended, and its key."""

    def look(statement: str) -> list[tuple[Any, ...]]:
        if "kind = 'tool'" not in statement:
            return []
        return [
            ("t", status, {"idempotency_key": key, "name": "charge_check"}) for status, key in found
        ]

    return look


@pytest.mark.parametrize(
    ("written", "charged", "word"),
    [
        ([("succeeded", "t:3:c")], {"t:3:c"}, ""),
        ([("succeeded", "t:3:c")], set(), "no effect of t:3:c"),
        ([("succeeded", "t:3:c")], {"t:3:c", "t:4:c"}, "not written down: t:4:c"),
        ([("failed", "t:3:c")], {"t:3:c"}, "not written down: t:3:c"),
        ([("succeeded", "t:3:c")] * 2, {"t:3:c"}, "2 steps with the key t:3:c"),
    ],
)
def test_it_sees_effects_that_are_missing_or_unknown(
    written: list[tuple[str, str]], charged: set[str], word: str
) -> None:
    found = faults_in(History(), calls(*written), Till(charged=charged))
    assert [word in fault for fault in found] == ([True] if word else [])


def test_it_sees_a_call_that_was_not_made_or_made_twice() -> None:
    told = History([Acknowledged("cobra [call:charge_check] #1", "t", "s")])
    for found in ([], [("failed", "k")], [("succeeded", "k"), ("succeeded", "k2")]):
        faults = faults_in(told, calls(*found), Till(charged={key for _, key in found}))
        assert any("calls of" in fault for fault in faults)
