import asyncio
from dataclasses import replace

from orkesta.crypto import Secret
from routing.llm.types import Completion, LLMRequest, ToolCall, ToolSpec, Usage
from tests.fakes.llm_door import HELLO, TARGET, open_door
from tests.fakes.llm_server import calls_tool, chunk, data, hangs, raw, says


async def test_it_yields_pieces_and_then_one_completion() -> None:
    async with open_door(says("Hola", " ", "mundo")) as door:
        pieces, completion = await door.stream()
    assert pieces == ["Hola", " ", "mundo"]
    assert completion.text == "Hola mundo"
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(input_tokens=11, output_tokens=7, cached_tokens=3)
    assert (completion.model, completion.response_id) == ("fake-1", "chatcmpl-1")
    assert completion.first_token_ms is not None
    assert 0 < completion.first_token_ms <= completion.duration_ms


async def test_it_yields_the_first_piece_before_the_answer_is_whole() -> None:
    async with open_door(hangs(data(chunk({"content": "ya"})))) as door:
        stream = door.client.stream(TARGET, HELLO)
        assert await asyncio.wait_for(anext(stream), 20) == "ya"
        await stream.aclose()


async def test_closing_the_stream_closes_the_upstream_at_once() -> None:
    async with open_door(says(*["palabra "] * 10_000, pause=0.001)) as door:
        stream = door.client.stream(TARGET, HELLO)
        await anext(stream)
        await stream.aclose()
        assert door.fake.calls[0].was_closed
        assert door.fake.calls[0].num_sent < 100


async def test_a_slow_reader_is_not_taken_for_a_silent_model() -> None:
    async with open_door(says("uno ", "dos ", "tres")) as door:
        stream = door.client.stream(replace(TARGET, timeout_seconds=0.05), HELLO)
        seen = []
        async for piece in stream:
            seen.append(piece)
            await asyncio.sleep(0.1)
    assert isinstance(seen[-1], Completion)


async def test_cancelling_the_reader_closes_the_upstream_at_once() -> None:
    async with open_door(hangs()) as door:
        reader = asyncio.create_task(door.stream())
        async with asyncio.timeout(20):
            while not door.fake.calls:
                await asyncio.sleep(0.01)
        reader.cancel()
        await asyncio.wait({reader}, timeout=20)
        assert reader.cancelled()
        assert door.fake.calls[0].was_closed


async def test_it_gathers_a_tool_call_from_its_pieces() -> None:
    async with open_door(calls_tool("buscar", '{"q":', ' "tubo"}')) as door:
        pieces, completion = await door.stream()
    assert pieces == []
    assert completion.tool_calls == (ToolCall("call_9", "buscar", '{"q": "tubo"}'),)
    assert completion.finish_reason == "tool_calls"
    assert completion.first_token_ms is None


async def test_it_estimates_usage_when_the_provider_sends_none() -> None:
    async with open_door(says("x" * 36, usage=None)) as door:
        _, completion = await door.stream()
    assert completion.usage == Usage(input_tokens=2, output_tokens=10, estimated=True)


async def test_it_understands_a_server_that_ignores_stream() -> None:
    body = b'{"id":"a","choices":[{"message":{"content":"entero"},"finish_reason":"stop"}]}'
    async with open_door(raw(body, content_type="application/json; charset=utf-8")) as door:
        pieces, completion = await door.stream()
    assert (pieces, completion.text) == (["entero"], "entero")


async def test_it_sends_what_was_asked_for() -> None:
    request = LLMRequest(
        messages=HELLO.messages,
        tools=(ToolSpec("buscar", "Busca", {"type": "object"}),),
        temperature=0.2,
        max_output_tokens=50,
        stop=("FIN",),
        idempotency_key="task:7:step:2",
    )
    async with open_door(says("ok")) as door:
        await door.stream(request, extra_headers={"X-Shop": "1"})
        call = door.fake.calls[0]
    assert call.path == "/v1/chat/completions"
    assert call.headers["authorization"] == f"Bearer {TARGET.api_key.reveal()}"
    assert call.headers["idempotency-key"] == "task:7:step:2"
    assert call.headers["x-shop"] == "1"
    assert call.body == {
        "model": "fake-1",
        "messages": HELLO.messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.2,
        "max_tokens": 50,
        "stop": ["FIN"],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "buscar",
                    "description": "Busca",
                    "parameters": {"type": "object"},
                },
            }
        ],
    }


async def test_it_asks_for_structured_output_without_streaming() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    request = LLMRequest(messages=HELLO.messages, response_schema=schema, schema_name="decision")
    async with open_door(says('{"a": 1}')) as door:
        completion = await door.complete(request)
        body = door.fake.calls[0].body
    assert isinstance(completion, Completion)
    assert completion.text == '{"a": 1}'
    assert completion.usage.input_tokens == 11
    assert "stream" not in body
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "decision", "schema": schema, "strict": True},
    }


async def test_it_sends_no_key_to_a_server_without_keys(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-installation")
    async with open_door(says("ok")) as door:
        await door.stream(api_key=Secret(""))
        assert "authorization" not in door.fake.calls[0].headers


async def test_nothing_of_the_installations_environment_travels_to_a_tenants_endpoint(
    monkeypatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "canary-of-the-installation")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: canary-of-the-installation")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://canary-of-the-installation.test")
    async with open_door(says("ok")) as door:
        await door.stream()
        assert "canary-of-the-installation" not in str(door.fake.calls[0].headers)
