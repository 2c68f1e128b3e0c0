from datetime import UTC, datetime
from time import thread_time

import pytest
import time_machine

from routing.errors import ToolRetry
from routing.tools import check_tool, read_arguments, run_tool
from routing.tools.builtin import calculate
from tests.routing.tool_calls import a_call, builtin_tool

SUMS = {
    "0.1 + 0.2": "0.3",
    "12 * 3.50 * 1.19": "49.98",
    "(1 + 2) * -3": "-9",
    "10 / 4": "2.5",
    "7 % 4": "3",
    "2 ^ 10": "1024",
    "1 - 1": "0",
    "1e3 + 1": "1001",
    "1_000 * 2": "2000",
}
NO_SUMS = [
    "",
    "1 +",
    "1 / 0",
    "9 ** 9 ** 9",
    "2 ** 1000000",
    "1e400 ** 100",
    "__import__('os').system('true')",
    "(lambda: 1)()",
    "'a' * 10",
    "True + True",
    "1j",
    "nan",
    "a",
    "-" * 400 + "1 +",
    "0x10",
    "1" * 501,
    "1\x00",
]


@pytest.mark.parametrize("expression", SUMS)
def test_sums_come_out_right(expression: str) -> None:
    assert calculate(expression) == SUMS[expression]


@pytest.mark.parametrize("expression", NO_SUMS)
def test_what_is_no_sum_is_refused_in_time(expression: str) -> None:
    started = thread_time()
    with pytest.raises(ToolRetry):
        calculate(expression)
    assert thread_time() - started < 1


@time_machine.travel(datetime(2026, 1, 1, 3, 30, tzinfo=UTC), tick=False)
async def test_the_time_is_that_of_the_tenant() -> None:
    tool = builtin_tool("current_time", "America/Bogota")
    result = await run_tool(tool, read_arguments(tool, "{}"), a_call())
    assert result.data == {
        "date": "2025-12-31",
        "time": "22:30:00",
        "weekday": "Wednesday",
        "time_zone": "America/Bogota",
        "utc_offset": "-0500",
    }
    elsewhere = await run_tool(tool, {"time_zone": "Asia/Tokyo"}, a_call())
    assert elsewhere.data["time"] == "12:30:00"


@pytest.mark.parametrize("name", ["Nowhere/City", "../../etc/passwd", "", "/etc/localtime"])
async def test_a_time_zone_that_is_none_goes_back_to_the_model(name: str) -> None:
    tool = builtin_tool("current_time", "Nowhere/Else")
    with pytest.raises(ToolRetry):
        await run_tool(tool, {"time_zone": name}, a_call())


async def test_a_call_without_effect_never_arrived() -> None:
    assert await check_tool(builtin_tool("calculate"), a_call()) is None
