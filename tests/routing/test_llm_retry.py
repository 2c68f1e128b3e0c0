import asyncio
import time

import pytest

from routing.errors import (
    LLMAuthFailed,
    LLMError,
    LLMRateLimited,
    LLMRejected,
    LLMTimeout,
    LLMUnreachable,
)
from routing.llm.retry import RetryPolicy
from tests.fakes.llm_door import QUICK, open_door
from tests.fakes.llm_server import chunk, data, hangs, raw, says, status

QUOTA = {"error": {"message": "no money", "code": "insufficient_quota"}}


@pytest.mark.parametrize("code", [408, 429, 502, 503, 504, 529])
async def test_a_transient_failure_is_tried_again(code: int) -> None:
    async with open_door(status(code), status(code), says("al fin")) as door:
        _, completion = await door.stream()
        assert completion.text == "al fin"
        assert completion.attempts == 3


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422, 500])
async def test_a_lasting_failure_is_not_tried_again(code: int) -> None:
    async with open_door(status(code), says("no")) as door:
        with pytest.raises(LLMError):
            await door.stream()
        assert len(door.fake.calls) == 1


async def test_it_gives_up_after_so_many_attempts() -> None:
    async with open_door(status(503), retry=RetryPolicy(4, 0.001)) as door:
        with pytest.raises(LLMUnreachable):
            await door.complete()
        assert len(door.fake.calls) == 4


async def test_a_silent_or_cut_start_is_tried_again() -> None:
    async with open_door(hangs(), raw(is_cut=True), says("ya")) as door:
        _, completion = await door.stream(timeout_seconds=0.1)
    assert (completion.text, completion.attempts) == ("ya", 3)


async def test_nothing_is_tried_again_after_the_first_piece() -> None:
    started = raw(data(chunk({"content": "Hola"})), is_cut=True)
    async with open_door(started, says("otra cosa")) as door:
        with pytest.raises(LLMUnreachable):
            await door.stream()
        assert len(door.fake.calls) == 1


async def test_a_whole_answer_is_tried_again_too() -> None:
    async with open_door(status(429), says("{}")) as door:
        completion = await door.complete()
    assert (completion.text, completion.attempts) == ("{}", 2)


async def test_it_waits_as_long_as_it_is_asked_to() -> None:
    async with open_door(status(429, retry_after="0.2"), says("ya")) as door:
        began = time.monotonic()
        await door.stream()
    assert time.monotonic() - began >= 0.2


async def test_it_does_not_come_back_too_early_when_asked_to_wait_long() -> None:
    async with open_door(status(429, retry_after="60"), says("no")) as door:
        with pytest.raises(LLMRateLimited) as caught:
            await asyncio.wait_for(door.stream(), 20)
        assert len(door.fake.calls) == 1
    assert caught.value.retry_after_seconds == 60


async def test_an_exhausted_account_is_not_tried_again() -> None:
    async with open_door(status(429, QUOTA), says("no")) as door:
        with pytest.raises(LLMRateLimited):
            await door.stream()
        assert len(door.fake.calls) == 1


def test_waits_double_with_jitter_and_have_a_ceiling() -> None:
    policy = RetryPolicy(attempts=9, first_wait_seconds=1.0, max_wait_seconds=10.0)
    for attempt, ceiling in ((2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 10.0), (9, 10.0)):
        waits = [policy.wait_before(attempt, LLMTimeout()) for _ in range(50)]
        assert all(wait is not None and ceiling / 2 <= wait <= ceiling for wait in waits)
        assert len(set(waits)) > 40
    assert policy.wait_before(10, LLMTimeout()) is None


@pytest.mark.parametrize("error", [LLMRejected(), LLMAuthFailed(), LLMError()])
def test_a_lasting_failure_has_no_wait(error: LLMError) -> None:
    assert QUICK.wait_before(2, error) is None
