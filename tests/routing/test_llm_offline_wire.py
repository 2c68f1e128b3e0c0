import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.errors import LLMRejected
from routing.llm.client import LLMClient
from routing.llm.inprocess import InProcessTransport
from routing.llm.offline import OfflineModel
from routing.llm.offline.answer import answer_to
from routing.llm.offline.conversation import BadRequest, read_request
from routing.llm.types import Completion, LLMRequest
from tests.fakes.llm_door import OFFLINE
from tests.fakes.llm_shop import SHOP

MESSAGES: Any = [
    {"role": "system", "content": SHOP},
    {"role": "user", "content": "Necesito 10 tubos PVC"},
]
URL = "http://offline.test/v1"


@pytest.fixture
async def sdk() -> AsyncIterator[openai.AsyncOpenAI]:
    transport = InProcessTransport(OfflineModel(piece_delay_seconds=0))
    async with httpx2.AsyncClient(transport=transport) as http:
        yield openai.AsyncOpenAI(api_key="x", base_url=URL, http_client=http, max_retries=0)


async def test_the_openai_client_reads_its_stream(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(
        model="orkesta-offline",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    *talking, counting = chunks
    texts = [chunk.choices[0].delta.content or "" for chunk in talking]
    assert "Total: $450.00 MXN" in "".join(texts)
    assert len(texts) > 20
    assert talking[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in talking][-2:] == [None, "stop"]
    assert {(c.id, c.model, c.object) for c in chunks} == {
        (chunks[0].id, "orkesta-offline", "chat.completion.chunk")
    }
    assert counting.choices == []
    assert counting.usage is not None
    assert counting.usage.prompt_tokens > 200
    assert counting.usage.total_tokens == (
        counting.usage.prompt_tokens + counting.usage.completion_tokens
    )


async def test_the_openai_client_reads_its_whole_answer(sdk: openai.AsyncOpenAI) -> None:
    answers = [
        await sdk.chat.completions.create(model="orkesta-offline", messages=MESSAGES)
        for _ in range(2)
    ]
    choice = answers[0].choices[0]
    assert choice.finish_reason == "stop"
    assert "Total: $450.00 MXN" in (choice.message.content or "")
    assert answers[0].usage is not None
    assert answers[0].model_dump() == answers[1].model_dump()


async def test_the_stream_carries_usage_only_when_asked(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.chat.completions.create(model="x", messages=MESSAGES, stream=True)
    chunks = [chunk async for chunk in stream]
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


async def test_it_keeps_to_the_limits_of_the_request(sdk: openai.AsyncOpenAI) -> None:
    short = await sdk.chat.completions.create(model="x", messages=MESSAGES, max_tokens=3)
    assert short.choices[0].finish_reason == "length"
    assert short.choices[0].message.content == "¡Claro! Esto sería:\n"
    stopped = await sdk.chat.completions.create(model="x", messages=MESSAGES, stop=["Total"])
    assert "Total" not in (stopped.choices[0].message.content or "")
    assert stopped.choices[0].finish_reason == "stop"


async def test_it_lists_its_one_model(sdk: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in await sdk.models.list()] == ["orkesta-offline"]


async def test_the_openai_client_calls_a_forced_tool(sdk: openai.AsyncOpenAI) -> None:
    function = {"name": "nota", "parameters": {"type": "object", "required": ["texto"]}}
    function["parameters"]["properties"] = {"texto": {"type": "string"}}  # type: ignore[index]
    tool: Any = {"type": "function", "function": function}
    for choice in ("required", {"type": "function", "function": {"name": "nota"}}):
        answer = await sdk.chat.completions.create(
            model="x", messages=MESSAGES, tools=[tool], tool_choice=choice
        )
        [call] = answer.choices[0].message.tool_calls or []
        assert call.type == "function"
        assert call.function.arguments == '{"texto": "Necesito 10 tubos PVC"}'
    answer = await sdk.chat.completions.create(
        model="x", messages=MESSAGES, tools=[tool], tool_choice="none"
    )
    assert answer.choices[0].message.tool_calls is None


HI = {"role": "user", "content": "hi"}
DEEP: dict[str, Any] = {}
for _ in range(400):
    DEEP = {"anyOf": [DEEP]}
BAD: dict[str, Any] = {
    "not json": b"{oops",
    "deep json": b"[" * 100_000,
    "a list": [],
    "no model": {"messages": [HI]},
    "no messages": {"model": "x"},
    "empty messages": {"model": "x", "messages": []},
    "message of the wrong kind": {"model": "x", "messages": ["hi"]},
    "unknown role": {"model": "x", "messages": [{"role": "boss", "content": "hi"}]},
    "content of the wrong kind": {"model": "x", "messages": [{"role": "user", "content": 3}]},
    "part of the wrong kind": {"model": "x", "messages": [{"role": "user", "content": [3]}]},
    "user without content": {"model": "x", "messages": [{"role": "user"}]},
    "tools of the wrong kind": {"model": "x", "messages": [HI], "tools": 3},
    "nameless tool": {"model": "x", "messages": [HI], "tools": [{"type": "function"}]},
    "negative limit": {"model": "x", "messages": [HI], "max_tokens": -1},
    "unknown forced tool": {"model": "x", "messages": [HI], "tool_choice": {"function": {}}},
    "no schema": {"model": "x", "messages": [HI], "response_format": {"type": "json_schema"}},
    **{
        f"schema {name}": {
            "model": "x",
            "messages": [HI],
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
        }
        for name, schema in {
            "of an unknown type": {"type": "thing"},
            "with a bad bound": {"type": "string", "maxLength": "x"},
            "too deep": DEEP,
        }.items()
    },
}


@pytest.mark.parametrize("name", BAD)
async def test_a_malformed_request_gets_an_openai_error(name: str) -> None:
    transport = InProcessTransport(OfflineModel())
    async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
        body = BAD[name]
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        response = await http.post("/chat/completions", **sent)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


async def test_a_bound_that_no_number_can_keep_is_passed_over() -> None:
    transport = InProcessTransport(OfflineModel())
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    schema["properties"]["n"]["minimum"] = "BOUND"  # type: ignore[index]
    format_ = {"type": "json_schema", "json_schema": {"schema": schema}}
    body = json.dumps({"model": "x", "messages": [HI], "response_format": format_})
    async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
        sent = body.replace('"BOUND"', "1e999")
        response = await http.post("/chat/completions", content=sent)
    assert response.json()["choices"][0]["message"]["content"] == '{"n": 0}'


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/chat/completions", 405), ("POST", "/models", 405)],
)
async def test_other_addresses_are_refused(method: str, path: str, status: int) -> None:
    transport = InProcessTransport(OfflineModel())
    async with httpx2.AsyncClient(transport=transport, base_url=URL) as http:
        response = await http.request(method, path)
    assert response.status_code == status
    assert "message" in response.json()["error"]


async def test_its_words_come_one_after_another_and_stop_when_told() -> None:
    client = LLMClient(offline_delay_seconds=0.01)
    stream = client.stream(OFFLINE, LLMRequest(MESSAGES))
    times = []
    async for piece in stream:
        assert not isinstance(piece, Completion)
        times.append(time.monotonic())
        if len(times) == 5:
            break
    await stream.aclose()
    assert times[-1] - times[0] >= 0.03
    assert len(asyncio.all_tasks()) == 1
    await client.aclose()


async def test_what_it_refuses_is_a_typed_error_of_the_door() -> None:
    client = LLMClient()
    with pytest.raises(LLMRejected, match="schema"):
        await client.complete(OFFLINE, LLMRequest(MESSAGES, response_schema={"type": "thing"}))
    await client.aclose()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = ("messages", "tools", "tool_choice", "response_format", "stop", "max_tokens", "stream")
BODIES = st.fixed_dictionaries(
    {"model": st.just("x"), "messages": JSON | st.just([HI])},
    optional=dict.fromkeys(FIELDS[1:], JSON),
)


@settings(max_examples=80, deadline=None)
@given(body=BODIES)
def test_no_request_breaks_it(body: dict[str, Any]) -> None:
    try:
        answer = answer_to(read_request(body))
    except BadRequest:
        return
    assert answer.finish_reason in ("stop", "length", "tool_calls")
