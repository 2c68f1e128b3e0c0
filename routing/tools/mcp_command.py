"""MCP servers that are commands: JSON-RPC over standard input and output, a line a message.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio

Beside the transport of `mcp`, which keeps a line however long it is, writes into our log what it
cannot read, and does not notice a process that has died. A process is not asked to be good: its
lines are bounded, what it says on standard error is redacted and cut, and it dies with its session,
together with everything it has started.
"""

import asyncio
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import mcp_types
from mcp.client.stdio import get_default_environment
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage

from orkesta.redaction import known_secrets
from routing.errors import ToolFailed
from routing.tools import mcp_wire
from routing.tools.commands import SETTING, is_allowed
from routing.tools.mcp_target import McpTarget

logger = logging.getLogger(__name__)

MAX_LINE_BYTES: Final = 1_000_000
#: Lines that are no messages: a banner is forgiven, a flood is not.
MAX_UNREADABLE_LINES: Final = 50
MAX_TOLD_LINES: Final = 100
MAX_TOLD_CHARS: Final = 300
#: Seconds that a process has to end: when its input has, then when it was asked to, then killed.
LEAVING: Final = ((1.0, signal.SIGTERM), (0.5, signal.SIGKILL), (0.5, signal.SIGKILL))
_READ_BYTES: Final = 4096


@asynccontextmanager
async def run_command(target: McpTarget) -> AsyncIterator[Any]:
    """The streams of a session with the process, which lives as long as the context.

    Raises ToolFailed for a command that the operator does not allow, and OSError for one that
    cannot be started. When the process ends, or what it says cannot be borne, an MCPError within a
    group comes out of the context.
    """
    if not is_allowed(target.command):
        raise ToolFailed(f"The command is none of those that {SETTING} allows.")
    process = await asyncio.create_subprocess_exec(
        *target.command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=MAX_LINE_BYTES,
        env=get_default_environment(),
        start_new_session=True,
    )
    deliver, inbox = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outbox, collect = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as group, deliver, inbox, outbox, collect:
            group.start_soon(_read, process.stdout, deliver)
            group.start_soon(_write, process.stdin, collect)
            group.start_soon(_listen, process.stderr, target)
            yield inbox, outbox
            group.cancel_scope.cancel()
    finally:
        await _end(process)


async def _read(stdout: Any, deliver: Any) -> None:
    """Pass messages on until there are no more, which is never what is wanted."""
    num_read = num_unreadable = 0
    while True:
        try:
            line = await stdout.readline()
        except ValueError as exc:  # longer than the limit
            raise MCPError(mcp_wire.TOO_LARGE, "") from exc
        if not line:
            raise MCPError(mcp_types.CONNECTION_CLOSED if num_read else mcp_wire.NOT_CONNECTED, "")
        try:
            message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            num_unreadable += bool(line.strip())
            if num_unreadable > MAX_UNREADABLE_LINES:
                raise MCPError(mcp_wire.NOT_READABLE, "") from None
            continue
        num_read += 1
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await deliver.send(SessionMessage(message))


async def _write(stdin: Any, collect: Any) -> None:
    async for one in collect:
        text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
        stdin.write(text.encode() + b"\n")
        with suppress(ConnectionError):  # it has gone: whoever reads learns of it, too
            await stdin.drain()


async def _listen(stderr: Any, target: McpTarget) -> None:
    """Write what it says on standard error into the log, while it is not too much."""
    rest, num_told = b"", 0
    while piece := await stderr.read(_READ_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _READ_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines[: MAX_TOLD_LINES - num_told]:
            num_told += 1
            _tell(target, line)


def _tell(target: McpTarget, line: bytes) -> None:
    text = "".join(
        char if char.isprintable() else " " for char in line.decode(errors="replace")
    ).strip()
    # Redacted before it is cut: of a secret that is cut in two nobody would know the rest.
    told = known_secrets.redact(text)[:MAX_TOLD_CHARS]
    if told:
        logger.info("MCP server %s of tenant %s: %s", target.slug, target.tenant_id, told)


async def _end(process: Process) -> None:
    """End the process and all that it has started, politely for a moment. It is gone afterwards,
    even when the task that waits here is cancelled.
    """
    try:
        if process.stdin is not None:
            process.stdin.close()
        for seconds, number in LEAVING:
            with suppress(TimeoutError):
                await asyncio.wait_for(_over(process), seconds)
                break
            _signal(process, number)
    finally:
        _signal(process, signal.SIGKILL)
        # Else its pipes stay open for as long as somebody who inherited them lives.
        process._transport.close()  # type: ignore[attr-defined]


async def _over(process: Process) -> None:
    # `Process.wait` waits for the ends of its pipes as well, which somebody may have inherited.
    while process.returncode is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the whole group, which outlives the process that it is named after."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
