from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from routing.breaker import BreakerRules, BreakerStatus
from routing.breaker_store import MemoryBreakerStore
from routing.endpoints import MAX_FALLBACKS
from routing.errors import CircuitOpen, LLMError, LLMUnreachable
from routing.gateway import Gateway, breaker_name
from routing.llm.types import Completion, LLMTarget
from routing.models import LLMEndpoint
from routing.snapshot import forget_snapshots, get_snapshot
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, story_of
from tests.fakes.llm_door import HELLO, TARGET, open_door
from tests.fakes.llm_server import (
    FAKE_BASE_URL,
    Behaviour,
    FakeLLM,
    chunk,
    data,
    hangs,
    raw,
    says,
    status,
)

RULES = BreakerRules(failure_threshold=2, open_ms=0)
SECOND = replace(TARGET, name="second", model="fake-2")
FIRST = replace(TARGET, fallback=SECOND, timeout_seconds=0.05)
CUT = raw(data(chunk({"content": "Hola"})), is_cut=True)


@asynccontextmanager
async def gateway_to(*behaviours: Behaviour) -> AsyncIterator[tuple[Gateway, FakeLLM]]:
    async with open_door(*behaviours) as door:
        yield Gateway(door.client, breakers=MemoryBreakerStore(rules=RULES)), door.fake


async def hear(gateway: Gateway, target: LLMTarget = FIRST) -> tuple[str, Completion]:
    *pieces, completion = [piece async for piece in gateway.stream(target, HELLO)]
    assert isinstance(completion, Completion)
    return "".join(map(str, pieces)), completion


@pytest.mark.parametrize(
    ("behaviours", "code"),
    [
        ([status(500)], "llm_error"),
        ([status(401)], "llm_auth_failed"),
        ([status(404)], "llm_rejected"),
        ([hangs()] * 3, "llm_timeout"),
        ([raw(is_cut=True)] * 3, "llm_unreachable"),
        ([status(429, retry_after="60")], "llm_rate_limited"),
        ([says()], "llm_bad_answer"),
    ],
)
async def test_the_fallback_answers_for_an_endpoint_that_fails(
    behaviours: list[Behaviour], code: str
) -> None:
    async with gateway_to(*behaviours, says("aquí ", "estoy")) as (gateway, fake):
        text, completion = await hear(gateway)
    assert (text, completion.endpoint) == ("aquí estoy", "second")
    (failed,) = completion.failed
    assert (failed.endpoint, failed.llm, failed.code) == ("fake", "fake-1", code)
    assert [call.body["model"] for call in fake.calls] == ["fake-1"] * len(behaviours) + ["fake-2"]


async def test_a_whole_answer_has_a_fallback_too() -> None:
    async with gateway_to(status(500), says("{}")) as (gateway, _):
        completion = await gateway.complete(FIRST, HELLO)
    assert (completion.text, completion.endpoint) == ("{}", "second")
    assert [one.breaker for one in completion.failed] == [BreakerStatus.CLOSED]


async def test_nobody_stands_in_once_something_has_been_said() -> None:
    async with gateway_to(CUT, says("otra cosa")) as (gateway, fake):
        stream = gateway.stream(FIRST, HELLO)
        assert await anext(stream) == "Hola"
        with pytest.raises(LLMUnreachable):
            await anext(stream)
        assert len(fake.calls) == 1


async def test_an_open_circuit_leads_to_the_fallback_without_asking() -> None:
    breakers = MemoryBreakerStore(rules=replace(RULES, open_ms=60_000))
    async with open_door(status(500), status(500), says("ya")) as door:
        gateway = Gateway(door.client, breakers=breakers)
        for _ in range(2):
            with pytest.raises(LLMError):
                await gateway.complete(TARGET, HELLO)
        _, completion = await hear(gateway)
        assert len(door.fake.calls) == 3
    assert [(one.code, one.breaker) for one in completion.failed] == [
        (CircuitOpen.code, BreakerStatus.OPEN)
    ]


async def test_when_all_fail_the_last_failure_is_told_and_none_is_forgotten() -> None:
    third = replace(TARGET, name="third", model="fake-3")
    first = replace(FIRST, fallback=replace(SECOND, fallback=third))
    async with gateway_to(status(500), status(401), status(400)) as (gateway, _):
        for ask in (lambda: gateway.complete(first, HELLO), lambda: hear(gateway, first)):
            with pytest.raises(LLMError) as caught:
                await ask()
            assert [one.endpoint for one in caught.value.details["failed"]] == [
                "fake",
                "second",
                "third",
            ]


async def test_an_empty_answer_without_a_fallback_is_left_to_whoever_asked() -> None:
    async with gateway_to(says()) as (gateway, _):
        text, completion = await hear(gateway, TARGET)
    assert (text, completion.text) == ("", "")


async def test_a_breaker_hears_of_an_answer_before_its_reader_does() -> None:
    breakers = MemoryBreakerStore(rules=RULES)
    async with open_door(status(500), status(500), says("ya")) as door:
        gateway = Gateway(door.client, breakers=breakers)
        for _ in range(2):
            with pytest.raises(LLMError):
                await gateway.complete(TARGET, HELLO)
        stream = gateway.stream(TARGET, HELLO)
        async for piece in stream:
            if isinstance(piece, Completion):
                break
        state = await breakers.read(TARGET.tenant_id, breaker_name(TARGET))
        assert state.status is BreakerStatus.CLOSED
        await stream.aclose()


def add_fallback(house: House, name: str = "Second", **values: Any) -> LLMEndpoint:
    with tenant_scope(house.id):
        return LLMEndpoint.objects.create(name=name, base_url=FAKE_BASE_URL, llm="fake-2", **values)


def set_fallback(house: House, row: LLMEndpoint | None, *, of: LLMEndpoint) -> None:
    with tenant_scope(house.id):
        LLMEndpoint.objects.filter(pk=of.pk).update(fallback=row)
    forget_snapshots()


def chain_of(house: House) -> list[str]:
    with tenant_scope(house.id):
        target = get_snapshot(house.id, 1).supervisor_target
    names = []
    while target is not None:
        names.append(target.name)
        target = target.fallback
    return names


def test_a_snapshot_holds_the_chain_and_no_end_of_it_is_endless(acme: House) -> None:
    rows = [acme.endpoint, *(add_fallback(acme, f"E{number}") for number in range(1, 6))]
    for row, following in zip(rows, [*rows[1:], rows[0]], strict=True):
        set_fallback(acme, following, of=row)
    assert chain_of(acme) == ["Offline", "E1", "E2", "E3"]
    assert len(chain_of(acme)) == 1 + MAX_FALLBACKS
    set_fallback(acme, acme.endpoint, of=rows[1])
    assert chain_of(acme) == ["Offline", "E1"]


def test_an_inactive_fallback_is_nobody(acme: House) -> None:
    set_fallback(acme, add_fallback(acme, is_active=False), of=acme.endpoint)
    assert chain_of(acme) == ["Offline"]


def test_the_admin_refuses_circles_and_endless_chains(acme: House) -> None:
    second, desk = add_fallback(acme), desk_of(acme)
    form = {"name": "Second", "base_url": FAKE_BASE_URL, "llm": "x", "timeout_seconds": 30}
    set_fallback(acme, second, of=acme.endpoint)
    for other in (second, acme.endpoint):
        answer = desk.post("routing_llmendpoint_change", second.pk, **form, fallback=other.pk)
        assert "fallback" in answer.context["adminform"].form.errors
    rows = [add_fallback(acme, f"E{number}") for number in range(4)]
    for row, following in pairwise(rows):
        set_fallback(acme, following, of=row)
    answer = desk.post("routing_llmendpoint_change", second.pk, **form, fallback=rows[0].pk)
    assert "fallback" in answer.context["adminform"].form.errors
    answer = desk.post(
        "routing_llmendpoint_change", second.pk, **form, fallback=rows[1].pk, is_active="on"
    )
    assert answer.status_code == 302


@pytest.fixture
def two_llms(transactional_db: None, acme: House) -> House:
    ask_fake_llm(acme)
    set_fallback(acme, add_fallback(acme), of=acme.endpoint)
    return acme


async def test_a_step_says_which_llm_answered_and_what_failed_before(two_llms: House) -> None:
    # The supervisor's decision, then the answer: each fails at the first endpoint.
    decision = (
        '{"action":"delegate","agent_name":"sales","intent":"","confidence":0.9,"response":null}'
    )
    behaviours = (status(500), says(decision), status(500), says("hola"))
    async with open_worker(*behaviours) as (worker, _):
        posted = await apost(two_llms, "buenas")
        await worker.run_once()
    story = await story_of(two_llms, posted.task.id)
    route, model = story.steps
    assert (story.answer, model.agent_slug) == ("hola", "sales")
    assert [one["endpoint"] for one in route.output["trace"]["llm_failed"]] == ["Offline"]
    assert (model.output["endpoint"], model.output["llm_failed"][0]["code"]) == (
        "Second",
        "llm_error",
    )


async def test_a_failed_step_says_all_that_was_tried(two_llms: House) -> None:
    async with open_worker(status(401)) as (worker, _):
        posted = await apost(two_llms, "price?")
        await worker.run_once()
    story = await story_of(two_llms, posted.task.id)
    assert story.task.error_code == "llm_auth_failed"
    tried = [one["endpoint"] for one in story.steps[1].output["llm_failed"]]
    assert tried == ["Offline", "Second"]
