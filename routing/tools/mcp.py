"""MCP tools: calls to servers of the Model Context Protocol, and what they offer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, TypeVar
from uuid import UUID

import mcp_types
import orjson
from anyio import BrokenResourceError, ClosedResourceError, EndOfStream
from mcp.client import ClientSession
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from orkesta.errors import OrkestaError
from routing.errors import ToolError, ToolFailed, ToolRetry, ToolTimeout, ToolUnreachable
from routing.tools import mcp_wire
from routing.tools.connections import tool_connections
from routing.tools.insisting import ATTEMPTS, insist, may_repeat
from routing.tools.mcp_session import (
    MAX_TOOLS,
    SessionLost,
    TooManyTools,
    call_tool,
    list_tools,
    own_words,
)
from routing.tools.mcp_target import McpTarget
from routing.tools.offers import Offer, quarantine_changed, read_offer
from routing.tools.redacting import data_without, spoken_forms, without, words_of
from routing.tools.schema import SchemaInvalid
from routing.tools.server_words import note_words
from routing.tools.values import Risk, ToolContext, ToolResult, ToolSnapshot
from tenants.scope import in_tenant

R = TypeVar("R")

#: Where a server that knows it finds the idempotency key of a call, in `_meta` of its parameters.
KEY_IN_META: Final = "orkesta.dev/idempotency-key"
#: And for whom it is made: the reference that the tenant gave its user. Never the model's to say.
USER_IN_META: Final = "orkesta.dev/user"

_CALL_FAILURES: Final = (
    MCPError,
    ValidationError,
    SessionLost,
    TooManyTools,
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
)
_WORDS: Final[Mapping[int, str]] = {
    mcp_wire.BROKEN_OFF: "broke off in the middle of an answer",
    mcp_wire.NOT_READABLE: "gave an answer that cannot be read",
    mcp_wire.TOO_LARGE: "gave an answer that is larger than allowed",
    mcp_types.CONNECTION_CLOSED: "broke off in the middle of an answer",
    mcp_types.PARSE_ERROR: "gave an answer that cannot be read",
}


#: How long a server is believed to offer what it offered.
LOOK_AGAIN_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class McpCaller:
    """Calls one tool of a server, while it is what was approved: `pinned_hash`, when given, is
    compared with what the server offers, and another offer puts the tool in quarantine.
    """

    target: McpTarget
    remote_name: str
    tool_id: UUID | None = None
    pinned_hash: str = ""

    @property
    def breaker_name(self) -> str:
        return self.target.breaker_name

    async def call(
        self, tool: ToolSnapshot, arguments: Mapping[str, Any], context: ToolContext
    ) -> ToolResult:
        if self.pinned_hash:
            await self._check_pin(tool, context)
        meta = {KEY_IN_META: context.idempotency_key}
        if context.user_ref:
            meta[USER_IN_META] = context.user_ref
        is_safe = may_repeat(tool)

        async def send(session: ClientSession) -> mcp_types.CallToolResult:
            return await call_tool(session, self.remote_name, dict(arguments), meta)

        try:
            result = await insist(
                lambda: ask_server(self.target, send, may_repeat=is_safe),
                attempts=ATTEMPTS if is_safe else 1,
                seconds=tool.timeout_seconds,
            )
        except ToolFailed as exc:
            if tool.risk is Risk.READ:
                exc.details.pop("is_outcome_unknown", None)
            raise
        return _result(tool, result, spoken_forms(self.target.secret))

    async def _check_pin(self, tool: ToolSnapshot, context: ToolContext) -> None:
        offer = (await _current_offers(self.target)).get(self.remote_name)
        if offer is None:
            raise ToolFailed(f"The MCP server {self.target.name} no longer offers {tool.name}.")
        if offer.hash != self.pinned_hash:
            if self.tool_id is not None:
                await in_tenant(context.tenant_id, quarantine_changed, self.tool_id, offer)
            raise ToolFailed(f"{tool.name} has changed on its server since it was approved.")

    async def check(self, tool: ToolSnapshot, context: ToolContext) -> ToolResult | None:
        raise ToolFailed(f"{tool.name} is an MCP tool: nobody can ask what became of a call.")


@dataclass(frozen=True, slots=True)
class Offered:
    """The tools of a server, and what it says of itself."""

    tools: Sequence[mcp_types.Tool]
    words: str


async def offered_by(target: McpTarget) -> Offered:
    """What a server offers now, by a session opened for it. Raises ToolFailed."""
    pool = tool_connections().mcp
    pool.retire(target, pool.session(target))
    try:
        tools = await _listed(target)
        return Offered(tools, await ask_server(target, own_words, may_repeat=True))
    except ToolRetry as exc:
        raise ToolFailed(exc.message) from None


async def _current_offers(target: McpTarget) -> Mapping[str, Offer]:
    """The usable tools of the server by name: listed once per session, and again now and then.
    What it says of itself it says once, when the session is opened.
    """
    session = tool_connections().mcp.session(target)
    if session.offers is None:
        said = await ask_server(target, own_words, may_repeat=True)
        await in_tenant(target.tenant_id, note_words, target.server_id, said)
    if session.offers is None or session.offers_until < monotonic():
        session.offers = _read_offers(await _listed(target))
        session.offers_until = monotonic() + LOOK_AGAIN_SECONDS
    return session.offers


async def _listed(target: McpTarget) -> list[mcp_types.Tool]:
    return await insist(
        lambda: ask_server(target, list_tools, may_repeat=True),
        attempts=ATTEMPTS,
        seconds=target.timeout_seconds,
    )


def _read_offers(listed: Sequence[mcp_types.Tool]) -> dict[str, Offer]:
    found = {}
    for tool in listed:
        try:
            offer = read_offer(tool)
        except SchemaInvalid:
            continue
        found[offer.remote_name] = offer
    return found


async def ask_server(
    target: McpTarget, send: Callable[[ClientSession], Awaitable[R]], *, may_repeat: bool
) -> R:
    """What `send` brings back from the pooled session; raises ToolRetry, ToolFailed.

    A session that the server has forgotten (it was restarted) is opened anew and asked again: it
    did not do what it refused. A call that broke off is made again if `may_repeat`.
    """
    pool = tool_connections().mcp
    session = pool.session(target)
    try:
        return await session.ask(send)
    except _CALL_FAILURES as exc:
        is_forgotten = isinstance(exc, MCPError) and exc.code == mcp_types.INVALID_REQUEST
        if not is_forgotten and not _may_pass(exc, may_repeat=may_repeat):
            raise _translated(exc, target) from None
    if is_forgotten:
        pool.retire(target, session)
    try:
        return await pool.session(target).ask(send)
    except _CALL_FAILURES as exc:
        raise _translated(exc, target) from None


def _may_pass(exc: Exception, *, may_repeat: bool) -> bool:
    """Whether asking again may help, and does no harm."""
    if isinstance(exc, MCPError):
        is_broken = exc.code in (mcp_wire.BROKEN_OFF, mcp_types.CONNECTION_CLOSED)
        return exc.code == mcp_wire.NOT_CONNECTED or (may_repeat and is_broken)
    lost = (SessionLost, BrokenResourceError, ClosedResourceError, EndOfStream)
    return may_repeat and isinstance(exc, lost)


def _translated(exc: BaseException, target: McpTarget) -> ToolError:
    """Our error for what a session failed with. It holds nothing that was not redacted."""
    if isinstance(exc, SessionLost):
        cause = _innermost(exc.__cause__)
        if isinstance(cause, OrkestaError | MCPError | TimeoutError):
            return _translated(cause, target)
        return ToolUnreachable(f"The MCP server {target.name} cannot be reached.")
    if isinstance(exc, ToolError):
        return exc
    if isinstance(exc, TimeoutError):
        return ToolTimeout(f"The MCP server {target.name} did not answer in time.")
    if isinstance(exc, TooManyTools):
        return ToolFailed(f"The MCP server {target.name} offers more than {MAX_TOOLS} tools.")
    if isinstance(exc, MCPError):
        return _of_protocol(exc, target)
    return ToolFailed(
        f"The MCP server {target.name} gave an answer that cannot be read.",
        is_outcome_unknown=True,
    )


def _innermost(exc: BaseException | None) -> BaseException | None:
    """The first plain exception in a group of groups: what a task group was brought down by."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def _of_protocol(exc: MCPError, target: McpTarget) -> ToolError:
    server = f"The MCP server {target.name}"
    if exc.code == mcp_wire.NOT_CONNECTED:
        return ToolUnreachable(f"{server} cannot be reached.")
    if exc.code in (mcp_wire.TOO_LATE, mcp_types.REQUEST_TIMEOUT):
        return ToolTimeout(f"{server} did not answer in time.", is_outcome_unknown=True)
    if exc.code == mcp_wire.BAD_STATUS:
        return _of_status(exc.error.data, server)
    if exc.code in _WORDS:
        return ToolFailed(f"{server} {_WORDS[exc.code]}.", is_outcome_unknown=True)
    words = words_of(exc.error.message, spoken_forms(target.secret))
    if exc.code == mcp_types.INVALID_PARAMS:
        return ToolRetry(f"{server} did not accept the arguments: {words}")
    return ToolFailed(f"{server} answered with error {exc.code}: {words}")


def _of_status(data: Any, server: str) -> ToolError:
    found = data if isinstance(data, dict) else {}
    details = {name: found[name] for name in ("status", "retry_after") if found.get(name)}
    is_unknown = isinstance(details.get("status"), int) and details["status"] >= 500
    text = f"{server} answered {details.get('status', 'with an error')}."
    return ToolFailed(text, is_outcome_unknown=is_unknown, **details)


def _result(
    tool: ToolSnapshot, result: mcp_types.CallToolResult, secrets: Sequence[str]
) -> ToolResult:
    text = without("\n".join(_words(block) for block in result.content), secrets)
    if result.is_error:
        raise ToolRetry(f"{tool.name} answered with an error: {words_of(text, ())}")
    data: Any = result.structured_content
    if data is None:
        data = _as_json(text)
    elif secrets:
        data = data_without(data, secrets)
    if not text and data is not None:
        text = orjson.dumps(data).decode()
    return ToolResult(text or "Done: the answer is empty.", data)


def _as_json(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeError):
        return None


def _words(block: mcp_types.ContentBlock) -> str:
    """A block of a result as a model can read it."""
    if isinstance(block, mcp_types.TextContent):
        return block.text
    if isinstance(block, mcp_types.ImageContent | mcp_types.AudioContent):
        return f"[{block.type}: {block.mime_type[:50]}, {len(block.data) * 3 // 4} bytes]"
    if isinstance(block, mcp_types.ResourceLink):
        return f"[{block.name}: {block.uri}]"
    resource = block.resource
    if isinstance(resource, mcp_types.TextResourceContents):
        return resource.text
    return f"[resource: {resource.uri}]"
