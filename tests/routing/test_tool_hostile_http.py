import asyncio
from time import perf_counter
from typing import Any

import pytest

from orkesta.crypto import Secret
from routing.breaker_store import MemoryBreakerStore
from routing.errors import (
    ToolCircuitOpen,
    ToolError,
    ToolFailed,
    ToolRetry,
    ToolTimeout,
    ToolUnreachable,
)
from routing.tools import Risk, ToolResult, run_tool
from routing.tools.connections import tool_connections
from routing.tools.schema import compile_schema
from routing.tools.storing import MAX_RESULT_BYTES
from tests.fakes.hostile_http import HostileServer
from tests.routing.tool_calls import Answering, a_call, http_tool, made_tool

pytestmark = pytest.mark.usefixtures("tool_calls")

KEY = "Bearer sk-live-4f2a9c71e0"
CASES = {
    "/hang": ToolTimeout,
    "/drip": ToolTimeout,
    "/drip-header": ToolTimeout,
    "/huge": ToolFailed,
    "/bomb": ToolFailed,
    "/garbage": ToolFailed,
    "/close": ToolFailed,
    "/broken-gzip": ToolFailed,
    "/busy": ToolFailed,
    "/redirect?to=http://127.0.0.1:1/": ToolFailed,
    "/redirect?to=http://169.254.169.254/latest/meta-data/": ToolFailed,
}


@pytest.mark.parametrize("path", CASES)
async def test_every_misbehaviour_ends_in_a_typed_error_within_the_timeout(path: str) -> None:
    async with HostileServer() as server:
        is_waited_for = CASES[path] is ToolTimeout or path == "/busy"
        limit = 0.5 if is_waited_for else 20.0
        tool = http_tool(
            server.url(path), timeout_seconds=limit, secret_header="X-Key", secret=Secret(KEY)
        )
        started = perf_counter()
        with pytest.raises(ToolError) as caught:
            await run_tool(tool, {}, a_call())
        assert perf_counter() - started < limit + 10
        assert type(caught.value) is CASES[path]
        assert "4f2a9c71e0" not in f"{caught.value} {caught.value.details}"


async def test_a_redirect_is_not_followed() -> None:
    async with HostileServer() as server, HostileServer() as inside:
        tool = http_tool(server.url(f"/redirect?to={inside.url('/ok')}"))
        with pytest.raises(ToolFailed, match="302"):
            await run_tool(tool, {}, a_call())
        assert inside.accepted == 0


async def test_an_address_inside_is_not_called(settings: Any) -> None:
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = False
    async with HostileServer() as server:
        with pytest.raises(ToolUnreachable):
            await run_tool(http_tool(server.url("/ok"), timeout_seconds=5.0), {}, a_call())
        assert server.accepted == 0


async def test_nobody_is_asked_who_failed_again_and_again() -> None:
    breakers = MemoryBreakerStore()
    call = a_call()
    async with HostileServer() as server:
        tool = http_tool(server.url("/garbage"))
        for _ in range(5):
            with pytest.raises(ToolFailed):
                await run_tool(tool, {}, call, breakers=breakers)
        with pytest.raises(ToolCircuitOpen) as caught:
            await run_tool(tool, {}, call, breakers=breakers)
        assert (server.accepted, round(caught.value.retry_after_seconds or 0)) == (5, 60)
        await run_tool(http_tool(server.url("/ok")), {}, a_call(), breakers=breakers)


async def test_a_call_that_the_model_got_wrong_leaves_the_breaker_alone() -> None:
    breakers, call = MemoryBreakerStore(), a_call()
    caller = Answering(ToolRetry("no"), breaker_name="tool:shop")
    for _ in range(6):
        with pytest.raises(ToolRetry):
            await run_tool(made_tool(caller=caller), {}, call, breakers=breakers)
    assert len(caller.calls) == 6


async def test_a_call_that_is_cut_off_says_nothing_about_the_server() -> None:
    breakers, call = MemoryBreakerStore(), a_call()
    async with HostileServer() as server:
        tool = http_tool(server.url("/hang"), timeout_seconds=5.0)
        for _ in range(6):
            task = asyncio.ensure_future(run_tool(tool, {}, call, breakers=breakers))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        found = await breakers.read(call.tenant_id, tool.caller.breaker_name)
        assert found.failures == 0


async def test_a_write_without_an_answer_may_have_had_its_effect() -> None:
    async with HostileServer() as server:
        tool = http_tool(server.url("/hang"), method="POST", risk=Risk.WRITE, timeout_seconds=0.3)
        with pytest.raises(ToolTimeout) as caught:
            await run_tool(tool, {}, a_call())
        assert caught.value.details["is_outcome_unknown"] is True


async def test_a_long_result_is_cut_and_says_so() -> None:
    caller = Answering(ToolResult("ñ" * 40_000, {"text": "ñ" * 40_000}))
    result = await run_tool(made_tool(caller=caller), {}, a_call())
    assert (result.is_truncated, result.data) == (True, None)
    assert len(result.text.encode()) < MAX_RESULT_BYTES + 200
    assert "80000 bytes" in result.text


async def test_a_result_can_always_be_stored() -> None:
    caller = Answering(ToolResult("a\x00b\ud800", {"k\x00": ["\udfff", 2**80]}))
    result = await run_tool(made_tool(caller=caller), {}, a_call())
    assert result == ToolResult("a\ufffdb\ufffd", {"k\ufffd": ["\ufffd", 2**80]})


async def test_a_result_that_the_tool_does_not_declare_is_refused() -> None:
    checker = compile_schema({"type": "object", "required": ["price"]})
    caller = Answering(ToolResult("{}", {}))
    with pytest.raises(ToolFailed, match="'price' is a required property"):
        await run_tool(made_tool(caller=caller, output_checker=checker), {}, a_call())


async def test_the_connections_of_a_loop_are_opened_once() -> None:
    assert tool_connections() is tool_connections()
