import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orkesta.crypto import Secret
from routing.errors import (
    LLMAuthFailed,
    LLMBadAnswer,
    LLMError,
    LLMRateLimited,
    LLMRejected,
    LLMTimeout,
    LLMUnreachable,
)
from routing.llm.bounded import MAX_ERROR_BYTES
from routing.llm.retry import RetryPolicy
from routing.llm.types import LLMRequest
from routing.llm.wire import MAX_LINE_BYTES, MAX_TOOL_CALLS, ChunkFold, fold_whole
from tests.fakes.llm_door import HELLO, KEY, TARGET, open_door
from tests.fakes.llm_server import chunk, data, drips, hangs, raw, says, status

HOLA = data(chunk({"content": "Hola"}))
STOP = data(chunk({}, "stop"))
ONCE = RetryPolicy(attempts=1)

BAD_STREAMS = {
    "garbage": (raw(HOLA, b"data: {oops\n\n"), LLMBadAnswer),
    "not an object": (raw(HOLA, b"data: [1]\n\n"), LLMBadAnswer),
    "no choices": (raw(HOLA, b"data: {}\n\n"), LLMBadAnswer),
    "choices of the wrong kind": (raw(HOLA, data({"choices": [1]})), LLMBadAnswer),
    "content of the wrong kind": (raw(HOLA, data(chunk({"content": {}}))), LLMBadAnswer),
    "tool call of the wrong kind": (raw(HOLA, data(chunk({"tool_calls": [1]}))), LLMBadAnswer),
    "tool calls of the wrong kind": (raw(HOLA, data(chunk({"tool_calls": 5}))), LLMBadAnswer),
    "tool call with a bad index": (
        raw(HOLA, data(chunk({"tool_calls": [{"index": [1], "function": {}}]}))),
        LLMBadAnswer,
    ),
    "deep": (raw(HOLA, b"data: " + b"[" * 100_000 + b"\n\n"), LLMBadAnswer),
    "ends without a finish": (raw(HOLA), LLMBadAnswer),
    "nothing at all": (raw(), LLMBadAnswer),
    "web page": (raw(b"<html>login</html>", content_type="text/html"), LLMBadAnswer),
    "error inside": (raw(HOLA, data({"error": {"message": KEY, "code": "oom"}})), LLMError),
    "cut": (raw(HOLA, is_cut=True), LLMUnreachable),
    "silence": (hangs(HOLA), LLMTimeout),
    "only comments": (drips(b": still here\n\n", pause=0.01), LLMTimeout),
    "only empty chunks": (drips(data(chunk({"role": "assistant"})), pause=0.01), LLMTimeout),
    "never starts": (hangs(starts=False), LLMTimeout),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
async def test_a_bad_stream_ends_in_a_typed_error_and_is_closed(name: str) -> None:
    behaviour, expected = BAD_STREAMS[name]
    # Who is slow to go wrong is not taken for one who says nothing.
    patience = 0.1 if expected is LLMTimeout else 20.0
    async with open_door(behaviour, retry=ONCE) as door:
        with pytest.raises(LLMError) as caught:
            await asyncio.wait_for(door.stream(timeout_seconds=patience), 30)
        assert len(asyncio.all_tasks()) == 1
    assert type(caught.value) is expected
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["garbage", "cut", "error inside", "silence"])
async def test_what_came_before_the_error_was_yielded_once(name: str) -> None:
    async with open_door(BAD_STREAMS[name][0]) as door:
        stream = door.client.stream(replace(TARGET, timeout_seconds=0.1), HELLO)
        assert await anext(stream) == "Hola"
        with pytest.raises(LLMError):
            await anext(stream)
        assert len(door.fake.calls) == 1


async def test_it_repairs_text_that_no_database_takes() -> None:
    lines = (
        rb'data: {"choices":[{"index":0,"delta":{"content":"a\u0000b\ud83d"}}]}' + b"\n\n",
        rb'data: {"choices":[{"index":0,"delta":{"content":"\ude00 \udc00"}}]}' + b"\n\n",
        b'data: {"choices":[{"index":0,"delta":{"content":"\xff \\ud83d"}}]}\n\n',
        STOP,
    )
    async with open_door(raw(*lines)) as door:
        pieces, completion = await door.stream()
    assert completion.text == "".join(pieces) == "a\ufffdb\U0001f600 \ufffd\ufffd \ufffd"
    completion.text.encode("utf-8")


async def test_it_reads_lines_however_they_are_cut_and_ended() -> None:
    whole = HOLA.replace(b"\n", b"\r\n") + b"event: x\r\nid: 4\r\n" + STOP + b"data: [DONE]"
    async with open_door(raw(*[whole[i : i + 1] for i in range(len(whole))])) as door:
        pieces, _ = await door.stream()
    assert pieces == ["Hola"]


async def test_a_server_that_stays_open_after_the_end_does_not_hold_the_answer() -> None:
    async with open_door(hangs(HOLA, STOP, b"data: [DONE]\n\n")) as door:
        _, completion = await asyncio.wait_for(door.stream(), 20)
        assert door.fake.calls[0].was_closed
    assert completion.text == "Hola"


STATUSES = {
    400: LLMRejected,
    401: LLMAuthFailed,
    403: LLMAuthFailed,
    404: LLMRejected,
    408: LLMTimeout,
    409: LLMError,
    413: LLMRejected,
    418: LLMRejected,
    422: LLMRejected,
    429: LLMRateLimited,
    500: LLMError,
    502: LLMUnreachable,
    503: LLMUnreachable,
    504: LLMTimeout,
    529: LLMUnreachable,
    302: LLMRejected,
}


@pytest.mark.parametrize("code", STATUSES)
async def test_every_status_becomes_its_error(code: int) -> None:
    body = {"error": {"message": f"bad key {KEY} at https://x.test/?key=abc", "code": "nope"}}
    async with open_door(status(code, body, location="https://evil.test"), retry=ONCE) as door:
        with pytest.raises(LLMError) as caught:
            await door.stream()
        with pytest.raises(LLMError):
            await door.complete()
    error = caught.value
    assert type(error) is STATUSES[code]
    assert error.details["upstream_status"] == code
    assert error.details["provider_code"] == "nope"
    assert KEY not in str(error)
    assert "abc" not in str(error)
    assert error.__cause__ is None


async def test_an_endless_line_is_given_up() -> None:
    async with open_door(drips(b"data: " + b"x" * 60_000, pause=0)) as door:
        with pytest.raises(LLMBadAnswer):
            await asyncio.wait_for(door.stream(), 30)
        assert door.fake.calls[0].num_sent * 60_000 < 3 * MAX_LINE_BYTES


async def test_an_endless_answer_is_given_up() -> None:
    talking = drips(data(chunk({"content": "x" * 50_000})), pause=0)
    async with open_door(talking) as door:
        with pytest.raises(LLMBadAnswer):
            await asyncio.wait_for(door.stream(), 30)
    async with open_door(drips(b"x" * 500_000, pause=0)) as door:
        with pytest.raises(LLMBadAnswer):
            await asyncio.wait_for(door.complete(), 30)


async def test_an_endless_list_of_tool_calls_is_given_up() -> None:
    calls = [{"index": i, "function": {"name": "x"}} for i in range(MAX_TOOL_CALLS + 1)]
    async with open_door(raw(data(chunk({"tool_calls": calls[:-1]})), STOP)) as door:
        _, completion = await door.stream()
        assert len(completion.tool_calls) == MAX_TOOL_CALLS
    async with open_door(raw(data(chunk({"tool_calls": calls})), STOP)) as door:
        with pytest.raises(LLMBadAnswer):
            await door.stream()


async def test_an_endless_error_body_is_cut() -> None:
    async def endless(call) -> None:
        await call.start(500)
        while True:
            await call.write(b"x" * 1024)

    async with open_door(endless, retry=ONCE) as door:
        with pytest.raises(LLMError):
            await asyncio.wait_for(door.stream(), 30)
        assert door.fake.calls[0].num_sent * 1024 < 2 * MAX_ERROR_BYTES


async def test_a_whole_answer_that_is_no_answer_is_a_bad_answer() -> None:
    for body in (b"", b"null", b"{}", b'{"choices":[{"message":3}]}', b'{"choices":[]}'):
        async with open_door(raw(body, content_type="application/json")) as door:
            with pytest.raises(LLMBadAnswer):
                await door.complete()


async def test_a_whole_answer_that_never_comes_times_out() -> None:
    async with open_door(drips(b" ", pause=0.01), retry=ONCE) as door:
        with pytest.raises(LLMTimeout):
            await door.complete(timeout_seconds=0.1)
        assert door.fake.calls[0].was_closed


@pytest.mark.parametrize("key", ["sk-ñ", "sk-\n", "sk-\x00"])
async def test_a_key_that_http_cannot_carry_is_refused_before_it_is_sent(key: str) -> None:
    async with open_door(says("no")) as door:
        with pytest.raises(LLMAuthFailed) as caught:
            await door.stream(api_key=Secret(key))
        assert door.fake.calls == []
    assert key not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x.test", "x.test/v1", ""])
async def test_an_impossible_address_is_refused_and_not_tried_again(url: str) -> None:
    async with open_door(says("no")) as door:
        with pytest.raises(LLMRejected):
            await door.stream(base_url=url)


async def test_a_request_that_is_no_json_is_refused() -> None:
    async with open_door(says("no")) as door:
        with pytest.raises(LLMRejected):
            await door.stream(LLMRequest(messages=[{"role": "user", "content": "\ud800"}]))


async def test_a_closed_port_is_unreachable() -> None:
    async with open_door(says("no")) as door:
        with pytest.raises(LLMUnreachable):
            await door.stream(base_url="http://127.0.0.1:9/v1", timeout_seconds=2.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


def _object(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=fields)


CALL = _object(index=JSON, id=JSON, function=_object(name=JSON, arguments=JSON))
DELTA = _object(content=JSON, refusal=JSON, role=JSON, tool_calls=JSON | st.lists(CALL, max_size=2))
CHOICE = _object(delta=DELTA, message=DELTA, finish_reason=JSON, index=JSON)
CHUNK = _object(
    id=JSON,
    model=JSON,
    error=st.none() | JSON,
    choices=JSON | st.lists(CHOICE, max_size=2),
    usage=_object(prompt_tokens=JSON, completion_tokens=JSON, prompt_tokens_details=JSON),
)


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(CHUNK, max_size=3))
def test_no_chunk_breaks_the_reader(chunks: list[Any]) -> None:
    for read in (_read_streamed, _read_whole):
        try:
            completed = read(chunks)
        except LLMError:
            continue
        completed.text.encode()
        assert all(isinstance(call.arguments, str) for call in completed.tool_calls)


def _read_streamed(chunks: list[Any]) -> ChunkFold:
    fold = ChunkFold()
    for one in chunks:
        fold.add(json.dumps(one).encode())
    fold.finish()
    return fold


def _read_whole(chunks: list[Any]) -> ChunkFold:
    return fold_whole(json.dumps(chunks[0] if chunks else None).encode())
