from typing import Any

import pytest
from asgiref.sync import sync_to_async

from conversations.engine.actions import Finish, GiveUp, Route
from conversations.engine.last_word import last_word
from conversations.engine.state import TaskState
from conversations.models import Task
from routing.models import Agent
from routing.polite import POLITE_ANSWERS
from routing.snapshot import forget_snapshots, get_snapshot
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.callers import Caller
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, post, run_until_idle, story_of
from tests.fakes.llm_server import chunk, data, raw, says, status

GAVE_UP = GiveUp("llm_error", "down")


def say(house: House, **texts: str | None) -> None:
    """What each agent says when it fails; None is nobody's decision."""
    with tenant_scope(house.id):
        for slug, text in texts.items():
            Agent.objects.filter(slug=slug).update(failure_answer=text)
    forget_snapshots()


@pytest.fixture
def polite(transactional_db: None, acme: House) -> House:
    say(ask_fake_llm(acme), desk=None, sales=None)
    return acme


@pytest.mark.parametrize(
    ("desk", "sales", "said"),
    [
        (None, None, POLITE_ANSWERS["es"]),
        ("Ahora no.", None, "Ahora no."),
        ("Ahora no.", "Sin precios.", "Sin precios."),
        (None, " ", ""),
        ("", None, ""),
    ],
)
def test_the_agents_own_words_go_first(
    acme: House, desk: str | None, sales: str | None, said: str
) -> None:
    say(acme, desk=desk, sales=sales)
    with tenant_scope(acme.id):
        snapshot = get_snapshot(acme.id, 1)
    last = last_word(GAVE_UP, TaskState(agent_slug="sales"), snapshot)
    assert last == (Finish(said, "sales", failure=GAVE_UP) if said else GAVE_UP)
    assert last_word(Route(), TaskState(), snapshot) == Route()


def test_it_speaks_the_tenants_language(acme: House) -> None:
    say(acme, desk=None)
    Tenant.objects.filter(pk=acme.id).update(language="en")
    with tenant_scope(acme.id):
        assert get_snapshot(acme.id, 1).failure_answer("desk") == POLITE_ANSWERS["en"]


async def test_when_all_are_down_the_customer_is_told_and_the_error_is_kept(polite: House) -> None:
    async with open_worker(status(500)) as (worker, _):
        posted = await apost(polite, "price?")
        await run_until_idle(worker)
    story = await story_of(polite, posted.task.id)
    assert story.answer == POLITE_ANSWERS["es"]
    assert (story.task.status, story.task.error_code) == ("completed", "llm_error")
    assert [step.status for step in story.steps] == ["succeeded", "failed", "failed"]
    assert "error" not in story.event_types
    response = next(event for event in story.events if event.type == "chat.response")
    assert response.data["degraded"] is True
    ended = story.events[-1].data
    assert (ended["status"], ended["reason"], ended["degraded"]) == ("completed", "llm_error", True)


async def test_half_an_answer_is_taken_back_first(polite: House, monkeypatch: Any) -> None:
    told: list[tuple[str, Any]] = []
    publish = "conversations.engine.answer_stream.AnswerStream._publish"

    async def note(_: object, kind: str, what: dict[str, Any]) -> None:
        told.append((kind, what.get("text")))

    monkeypatch.setattr(publish, note)
    cut = raw(data(chunk({"content": "Cuesta 1"})), is_cut=True)
    async with open_worker(cut) as (worker, _):
        posted = await apost(polite, "price?")
        await run_until_idle(worker)
    assert told[0] == ("message.delta", "Cuesta 1")
    assert told[-1] == ("message.reset", None)
    assert (await story_of(polite, posted.task.id)).answer == POLITE_ANSWERS["es"]


async def test_a_good_answer_is_not_degraded(polite: House) -> None:
    async with open_worker(says("10 pesos")) as (worker, _):
        posted = await apost(polite, "price?")
        await run_until_idle(worker)
    story = await story_of(polite, posted.task.id)
    assert (story.task.is_degraded, story.task.error_code) == (False, "")
    response = next(event for event in story.events if event.type == "chat.response")
    assert response.data["degraded"] is False


async def test_without_words_it_fails_with_the_error(polite: House) -> None:
    await sync_to_async(say)(polite, sales="")
    async with open_worker(status(500)) as (worker, _):
        posted = await apost(polite, "price?")
        await run_until_idle(worker)
    story = await story_of(polite, posted.task.id)
    assert (story.task.status, story.answer) == ("failed", None)
    assert "error" in story.event_types


def test_front_ends_read_the_answer_and_the_error(acme: House, acme_api: Caller) -> None:
    posted = post(acme, "hola")
    with tenant_scope(acme.id):
        Task.objects.update(status="completed", error_code="llm_error", error_detail="down")
    told = acme_api.request("POST", "/api/v1/chat/status", {"task_id": str(posted.task.id)}).json()
    assert (told["degraded"], told["error"]["code"]) == (True, "llm_error")
    assert acme_api.get(f"/api/v1/tasks/{posted.task.id}").json()["degraded"] is True


def test_the_form_offers_the_tenants_words_and_keeps_what_is_written(acme: House) -> None:
    say(acme, sales=None)
    sales, desk = acme.agents["sales"], desk_of(acme)
    page = desk.get("routing_agent_change", sales.pk)
    form = page.context["adminform"].form
    assert form["failure_answer"].value() == POLITE_ANSWERS["es"]
    values = {name: form[name].value() for name in form.fields}
    kept = {name: value for name, value in values.items() if value not in (None, False)}
    desk.post("routing_agent_change", sales.pk, **kept)
    assert failure_answer_of(acme) is None
    desk.post("routing_agent_change", sales.pk, **(kept | {"failure_answer": ""}))
    assert not failure_answer_of(acme)
    assert failure_answer_of(acme) is not None


def failure_answer_of(house: House) -> str | None:
    with tenant_scope(house.id):
        return Agent.objects.get(slug="sales").failure_answer
