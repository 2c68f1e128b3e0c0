"""One session with an MCP server, held open between calls."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, TypeVar

import httpx2
import mcp_types
from mcp.client import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from orkesta.outbound import OutboundPolicy, OutboundTransport
from routing.tools.mcp_command import run_command
from routing.tools.mcp_target import McpTarget
from routing.tools.mcp_wire import TellingTransport
from routing.tools.offers import Offer

R = TypeVar("R")

#: A session that nobody uses is closed after this long, and opened again when it is needed.
IDLE_SECONDS: Final = 300.0
LEAVING_SECONDS: Final = 2.0
#: Within which a process has ended, and been ended.
ENDING_SECONDS: Final = 3.0
MAX_TOOLS: Final = 100
MAX_PAGES: Final = 20
MAX_ANSWER_BYTES: Final = 1_000_000
CLIENT_INFO: Final = mcp_types.Implementation(name="orkesta", version="1")


class SessionLost(Exception):
    """The session ended, and with it every call that was on it."""


class TooManyTools(Exception):
    """The server's list of tools does not end."""


class McpSession:
    """A client in a task of its own: what it opens has to be closed by the task that opened it.

    Sampling, elicitation and roots are refused, as the client does for whom they are not set.
    """

    def __init__(self, target: McpTarget, policy: OutboundPolicy) -> None:
        self._target = target
        self._policy = policy
        #: What the server was seen to offer by this session, believed until `offers_until`.
        self.offers: Mapping[str, Offer] | None = None
        self.offers_until = 0.0
        self._opened: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._is_wanted = asyncio.Event()
        self._is_over = False
        self._busy = 0
        self._task = asyncio.ensure_future(self._hold())

    @property
    def is_usable(self) -> bool:
        return not self._is_over and not self._task.done()

    @property
    def is_closed(self) -> bool:
        return self._task.done()

    async def ask(self, send: Callable[[ClientSession], Awaitable[R]]) -> R:
        """What `send` brings back. Raises whatever it raises, and SessionLost when the session
        could not be opened or ended meanwhile; its cause says why.
        """
        self._busy += 1
        self._is_wanted.set()
        try:
            await self._first_of(self._opened)
            if not self._opened.done():
                raise SessionLost from self._reason()
            return await self._raced(asyncio.ensure_future(send(self._opened.result())))
        finally:
            self._busy -= 1
            self._is_wanted.set()

    def retire(self) -> None:
        """Take no new calls, and end with the last of those that are running."""
        self._is_over = True
        self._is_wanted.set()

    async def aclose(self) -> None:
        """End the session, politely for a moment and then at once."""
        self.retire()
        if self._busy or not self._opened.done():
            self._task.cancel()
        await asyncio.wait({self._task}, timeout=LEAVING_SECONDS)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=LEAVING_SECONDS)
        self._reason()

    async def _raced(self, call: asyncio.Future[R]) -> R:
        try:
            await self._first_of(call)
            if call.done() and not await self._has_ended(call):
                return call.result()
            raise SessionLost from self._reason()
        finally:
            if not call.done():
                call.cancel()
                await asyncio.wait({call}, timeout=LEAVING_SECONDS)

    async def _has_ended(self, call: asyncio.Future[R]) -> bool:
        """Whether the call failed because a process did: it hears of that before our task ends."""
        exc = call.exception()
        is_cut = isinstance(exc, MCPError) and exc.code == mcp_types.CONNECTION_CLOSED
        if is_cut and self._target.command:
            await asyncio.wait({self._task}, timeout=ENDING_SECONDS)
        return is_cut and self._task.done()

    async def _first_of(self, awaited: asyncio.Future[Any]) -> None:
        """Until `awaited` is done, or the session ended; cancels neither."""
        both: set[asyncio.Future[Any]] = {awaited, self._task}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)

    def _reason(self) -> BaseException | None:
        """Why the task ended; looked at, so that the loop does not complain."""
        if not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    async def _hold(self) -> None:
        async with asyncio.timeout(self._target.timeout_seconds) as opening:
            async with _connected(self._target, self._policy) as session:
                opening.reschedule(None)
                self._opened.set_result(session)
                while self._busy or not self._is_over:
                    self._is_wanted.clear()
                    try:
                        await asyncio.wait_for(self._is_wanted.wait(), IDLE_SECONDS)
                    except TimeoutError:
                        self._is_over = not self._busy


@asynccontextmanager
async def _connected(target: McpTarget, policy: OutboundPolicy) -> AsyncIterator[ClientSession]:
    async with AsyncExitStack() as stack:
        if target.command:
            transport: Any = run_command(target)
        else:
            http = await stack.enter_async_context(_http_client(target, policy))
            transport = streamable_http_client(target.url, http_client=http)
        client = Client(transport, cache=None, client_info=CLIENT_INFO)
        yield (await stack.enter_async_context(client)).session


def _http_client(target: McpTarget, policy: OutboundPolicy) -> httpx2.AsyncClient:
    """A client of its own per server, so that no connection is shared with another tenant's."""
    limit = target.timeout_seconds
    network = OutboundTransport(policy, timeout_seconds=limit, max_bytes=MAX_ANSWER_BYTES)
    has_secret = bool(target.secret_header and target.secret)
    return httpx2.AsyncClient(
        transport=TellingTransport(network),
        headers={target.secret_header: target.secret.reveal()} if has_secret else {},
        timeout=limit,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        trust_env=False,
    )


async def own_words(session: ClientSession) -> str:
    """What the server said of itself when the session was opened."""
    return session.instructions or ""


async def list_tools(session: ClientSession) -> list[mcp_types.Tool]:
    """Every tool of the server. Raises TooManyTools for more than `MAX_TOOLS`, or no end."""
    found: list[mcp_types.Tool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await session.list_tools(params=mcp_types.PaginatedRequestParams(cursor=cursor))
        found += page.tools
        cursor = page.next_cursor
        if len(found) > MAX_TOOLS:
            break
        if cursor is None:
            return found
    raise TooManyTools


async def call_tool(
    session: ClientSession, name: str, arguments: dict[str, Any], meta: dict[str, Any]
) -> mcp_types.CallToolResult:
    """Call a tool by its name on the server.

    Past `ClientSession.call_tool`, which first lists the tools and then runs the server's own
    schema, patterns included, on the result. Results are checked by `routing.tools.schema`.
    """
    request = mcp_types.CallToolRequest(
        params=mcp_types.CallToolRequestParams(name=name, arguments=arguments, _meta=meta)
    )
    try:
        return await session.send_request(request, mcp_types.CallToolResult)
    except MCPError as exc:
        if exc.code != mcp_types.HEADER_MISMATCH:
            raise
    # The tool wants arguments in headers, too, and the client knows which from the list.
    await list_tools(session)
    return await session.send_request(request, mcp_types.CallToolResult)
