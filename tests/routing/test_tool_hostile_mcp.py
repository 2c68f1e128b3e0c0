from time import perf_counter

import pytest

from orkesta.crypto import Secret
from routing.errors import ToolError, ToolFailed, ToolRetry, ToolTimeout
from routing.tools import Recovery, Risk, run_tool
from routing.tools.mcp import KEY_IN_META, offered_by
from tests.fakes.mcp_servers import HostileMcp, serve_hostile
from tests.routing.tool_calls import a_call, mcp_target, mcp_tool

pytestmark = pytest.mark.usefixtures("tool_calls")

KEY = "Bearer sk-live-4f2a9c71e0"
CALLS = {
    "hang": ToolTimeout,
    "close": ToolFailed,
    "huge": ToolFailed,
    "echo": ToolFailed,
    "invalid_params": ToolRetry,
    "garbage": ToolFailed,
    "not_rpc": ToolFailed,
    "deep": ToolFailed,
    "html": ToolFailed,
    "empty": ToolFailed,
    "accepted": ToolFailed,
    "busy": ToolFailed,
    "broken": ToolFailed,
    "refused": ToolFailed,
    "redirect": ToolFailed,
    "metadata": ToolFailed,
    "wrong_result": ToolFailed,
    "input_required": ToolFailed,
    "error_result": ToolRetry,
    "comments": ToolTimeout,
    "broken_stream": ToolFailed,
    "empty_stream": ToolFailed,
}
LISTS = ("list_hang", "list_huge", "list_many", "list_endless", "list_garbage", "list_wrong")


@pytest.mark.parametrize("behaviour", CALLS)
async def test_every_misbehaviour_ends_in_a_typed_error_within_the_timeout(behaviour: str) -> None:
    async with serve_hostile(HostileMcp(behaviour)) as url:
        # Who is slow to refuse is not taken for one who says nothing; "busy" is asked till the end.
        is_waited_for = CALLS[behaviour] is ToolTimeout or behaviour == "busy"
        limit = 1.0 if is_waited_for else 20.0
        tool = mcp_tool(mcp_target(url, secret=Secret(KEY)), timeout_seconds=limit)
        started = perf_counter()
        with pytest.raises(ToolError) as caught:
            await run_tool(tool, {}, a_call())
        assert perf_counter() - started < limit + 10
        assert type(caught.value) is CALLS[behaviour]
        assert "4f2a9c71e0" not in f"{caught.value} {caught.value.details}"


@pytest.mark.parametrize("behaviour", LISTS)
async def test_a_list_of_tools_is_bounded_in_time_and_size(behaviour: str) -> None:
    async with serve_hostile(HostileMcp(behaviour)) as url:
        started = perf_counter()
        with pytest.raises(ToolFailed):
            await offered_by(mcp_target(url, timeout_seconds=1.0))
        assert perf_counter() - started < 15


async def test_what_a_server_says_back_holds_no_secret() -> None:
    server = HostileMcp("echo_result")
    async with serve_hostile(server) as url:
        result = await run_tool(mcp_tool(mcp_target(url, secret=Secret(KEY))), {}, a_call())
        assert server.headers[-1]["authorization"] == KEY
        assert "4f2a9c71e0" not in f"{result}"
        assert result.data["you sent"]["authorization"] == "•••"


async def test_a_result_is_cut_and_made_storable() -> None:
    async with serve_hostile(HostileMcp("unstorable")) as url:
        assert (await run_tool(mcp_tool(mcp_target(url)), {}, a_call())).text == "a\ufffdb"
    async with serve_hostile(HostileMcp("long")) as url:
        result = await run_tool(mcp_tool(mcp_target(url)), {}, a_call())
        assert result.is_truncated
        assert len(result.text) < 33_000


async def test_a_server_that_asks_to_wait_is_heard() -> None:
    async with serve_hostile(HostileMcp("busy")) as url:
        with pytest.raises(ToolFailed) as caught:
            await run_tool(mcp_tool(mcp_target(url)), {}, a_call())
        assert caught.value.retry_after_seconds == 7


async def test_one_call_that_breaks_leaves_the_session_to_the_others() -> None:
    server = HostileMcp("close")
    async with serve_hostile(server) as url:
        target = mcp_target(url)
        write = mcp_tool(target, risk=Risk.WRITE, recovery=Recovery.NEVER)
        with pytest.raises(ToolFailed) as caught:
            await run_tool(write, {}, a_call())
        assert caught.value.details["is_outcome_unknown"] is True
        server.behave = "ok"
        assert (await run_tool(mcp_tool(target), {}, a_call())).text == "fine"
        assert server.asked.count("initialize") == 1


@pytest.mark.parametrize("behaviour", ["soon", "gateway", "unavailable"])
@pytest.mark.parametrize("recovery", [Recovery.IDEMPOTENT, Recovery.NEVER])
async def test_a_call_that_does_no_harm_twice_is_made_again_with_its_key(
    behaviour: str, recovery: Recovery
) -> None:
    risk = Risk.READ if recovery is Recovery.NEVER else Risk.WRITE
    server = HostileMcp(behaviour, times=2)
    async with serve_hostile(server) as url:
        tool = mcp_tool(mcp_target(url), risk=risk, recovery=recovery, timeout_seconds=10.0)
        assert (await run_tool(tool, {}, a_call(idempotency_key="k-1"))).text == "fine"
    calls = [
        meta for asked, meta in zip(server.asked, server.metas, strict=True) if "call" in asked
    ]
    assert [call[KEY_IN_META] for call in calls] == ["k-1"] * 3
    assert server.asked.count("initialize") == 1


@pytest.mark.parametrize("behaviour", ["soon", "gateway", "unavailable"])
async def test_a_call_that_nobody_may_repeat_is_made_once(behaviour: str) -> None:
    server = HostileMcp(behaviour, times=1)
    async with serve_hostile(server) as url:
        tool = mcp_tool(mcp_target(url), risk=Risk.WRITE, recovery=Recovery.NEVER)
        with pytest.raises(ToolFailed) as caught:
            await run_tool(tool, {}, a_call())
    assert server.asked.count("tools/call") == 1
    assert caught.value.details.get("is_outcome_unknown", False) is (behaviour != "soon")


async def test_no_call_is_made_again_after_its_time() -> None:
    server = HostileMcp("busy")
    async with serve_hostile(server) as url:
        with pytest.raises(ToolFailed, match="answered 429"):
            await run_tool(mcp_tool(mcp_target(url), timeout_seconds=5.0), {}, a_call())
    assert server.asked.count("tools/call") == 1


async def test_a_list_that_fails_for_a_moment_is_asked_for_again() -> None:
    async with serve_hostile(HostileMcp("list_gateway", times=2)) as url:
        assert len((await offered_by(mcp_target(url, timeout_seconds=10.0))).tools) == 1
