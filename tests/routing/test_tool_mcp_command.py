import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from routing.errors import ToolFailed, ToolTimeout, ToolUnreachable
from routing.models import McpServer
from routing.tools import Recovery, Risk, ToolSnapshot, run_tool
from routing.tools.connections import close_connections
from routing.tools.mcp import McpCaller, offered_by
from routing.tools.syncing import sync_server
from tenants.scope import tenant_scope
from tests.admin import desk_of
from tests.cast import House
from tests.routing.tool_calls import a_call, mcp_target, mcp_tool

pytestmark = pytest.mark.usefixtures("tool_calls")

Start = Callable[..., ToolSnapshot]


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "started"


@pytest.fixture
def start(mark: Path, settings: Any) -> Start:
    """A tool of a process that behaves like this; each that is started leaves its id in `mark`."""

    def made(behave: str = "", **values: Any) -> ToolSnapshot:
        command = (sys.executable, "-m", "tests.fakes.mcp_command", "--behave", behave, str(mark))
        settings.ORKESTA_MCP_COMMANDS = [shlex.join(command)]
        target = mcp_target("", command=command, timeout_seconds=30.0)
        return mcp_tool(target, **({"timeout_seconds": 30.0} | values))

    return made


def started(mark: Path) -> list[int]:
    return [int(line) for line in mark.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def ends(pid: int) -> bool:
    """Whether it does so within a generous while."""
    until = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


async def test_a_process_is_started_once_and_ends_with_its_connections(
    start: Start, mark: Path
) -> None:
    tool = start("banner")
    answers = {(await run_tool(tool, {}, a_call())).text for _ in range(3)}
    [pid] = started(mark)
    assert (answers, is_alive(pid)) == ({str(pid)}, True)
    await close_connections()
    assert ends(pid)


async def test_what_it_has_started_ends_with_it(start: Start, mark: Path) -> None:
    await run_tool(start("child"), {}, a_call())
    await close_connections()
    assert [ends(pid) for pid in started(mark)] == [True, True]


async def test_one_that_died_is_started_again(start: Start, mark: Path) -> None:
    tool = start()
    await run_tool(tool, {}, a_call())
    os.kill(started(mark)[0], 9)
    assert ends(started(mark)[0])
    write = start(risk=Risk.WRITE, recovery=Recovery.IDEMPOTENT)
    assert (await run_tool(write, {}, a_call())).text == str(started(mark)[-1])
    assert len(started(mark)) == 2


async def test_a_call_that_it_died_of_is_made_again_only_where_that_does_no_harm(
    start: Start, mark: Path
) -> None:
    assert (await run_tool(start("dies once"), {}, a_call())).text == str(started(mark)[1])
    write = start("dies", risk=Risk.WRITE, recovery=Recovery.NEVER)
    with pytest.raises(ToolFailed) as caught:
        await run_tool(write, {}, a_call())
    assert caught.value.details["is_outcome_unknown"] is True
    assert len(started(mark)) == 3


@pytest.mark.parametrize(
    ("behave", "error", "says"),
    [
        ("exits", ToolUnreachable, "cannot be reached"),
        ("huge", ToolFailed, "larger than allowed"),
        ("garbage", ToolFailed, "cannot be read"),
    ],
)
async def test_every_misbehaviour_ends_in_a_typed_error(
    start: Start, mark: Path, behave: str, error: type[Exception], says: str
) -> None:
    tool = start(behave, risk=Risk.WRITE, recovery=Recovery.NEVER)
    with pytest.raises(error, match=says):
        await run_tool(tool, {}, a_call())
    assert all(ends(pid) for pid in started(mark))


async def test_one_that_hangs_is_waited_for_as_long_as_the_tool_says(
    start: Start, mark: Path
) -> None:
    tool = start("hangs", timeout_seconds=0.5)
    assert isinstance(tool.caller, McpCaller)
    assert len((await offered_by(tool.caller.target)).tools) == 1
    with pytest.raises(ToolTimeout):
        await run_tool(tool, {}, a_call())
    await close_connections()
    assert all(ends(pid) for pid in started(mark))


async def test_what_it_says_on_standard_error_is_in_the_log_redacted_and_cut(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "routing.tools.mcp_command")
    await run_tool(start("tells"), {}, a_call())
    await close_connections()
    assert "MCP server shop" in caplog.text
    assert "key •••" in caplog.text
    assert "4f2a9c71e0" not in caplog.text
    assert max(map(len, caplog.messages)) < 500


async def test_a_program_that_is_not_there_cannot_be_reached(settings: Any) -> None:
    settings.ORKESTA_MCP_COMMANDS = ["/nowhere/to/be/found --stdio"]
    target = mcp_target("", command=("/nowhere/to/be/found", "--stdio"))
    with pytest.raises(ToolUnreachable):
        await run_tool(mcp_tool(target), {}, a_call())


FERRETERIA = [sys.executable, "-m", "examples.ferreteria", "--stdio", "--data"]


@pytest.mark.django_db(transaction=True)
async def test_the_store_of_the_demo_is_synced_and_asked_as_a_command(
    acme: House, settings: Any, tmp_path: Path
) -> None:
    command = [*FERRETERIA, str(tmp_path / "shop.sqlite3")]
    settings.ORKESTA_MCP_COMMANDS = [shlex.join(command)]

    def synced() -> Any:
        with tenant_scope(acme.id):
            server = McpServer.objects.create(
                slug="shop", name="Shop", transport="stdio", command=command, timeout_seconds=30
            )
            return sync_server(server=server), server

    report, server = await sync_to_async(synced)()
    assert "buscar_productos" in report.added
    assert server.offered_words.startswith("Catálogo")
    tool = mcp_tool(
        mcp_target("", command=tuple(command), timeout_seconds=30.0),
        "buscar_productos",
        timeout_seconds=30.0,
    )
    result = await run_tool(tool, {"consulta": "tubo PVC"}, a_call())
    assert "PVC" in result.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("allowed", "is_saved"),
    [("bin/shop --stdio", True), ("bin/shop", False), ("bin/shop --stdio now", False), ("", False)],
)
def test_a_tenant_chooses_among_the_commands_of_the_operator(
    acme: House, settings: Any, allowed: str, is_saved: bool
) -> None:
    settings.ORKESTA_MCP_COMMANDS = [allowed] if allowed else []
    form = {
        "name": "Shop",
        "slug": "shop",
        "transport": "stdio",
        "command": "bin/shop\n--stdio",
        "timeout_seconds": 5,
        "secret_header": "Authorization",
    }
    answer: Any = desk_of(acme).post("routing_mcpserver_add", **form)
    assert (answer.status_code == 302) is is_saved
    if not is_saved:
        errors = answer.context["adminform"].form.errors
        assert "ORCHESTRATOR_MCP_COMMANDS" in str(errors["command"])
