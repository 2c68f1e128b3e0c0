"""HTTP tools: one request to an address that the tenant chose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from orkesta.errors import OrkestaError
from orkesta.outbound import OutboundResponse, OutboundTimeout, OutboundUnreachable, fetch
from routing.errors import ToolFailed, ToolRetry, ToolTimeout, ToolUnreachable
from routing.tools.connections import tool_connections
from routing.tools.http_plan import HttpPlan, PreparedRequest
from routing.tools.insisting import ATTEMPTS, TRANSIENT, insist, may_repeat
from routing.tools.redacting import spoken_forms, without, words_of
from routing.tools.values import Risk, ToolContext, ToolResult, ToolSnapshot

#: Statuses that speak of the credentials, and not of what the model wrote.
_CREDENTIALS: Final = frozenset({401, 403, 407})
#: Beside UTF-8. Python knows many more, some of which take their time.
_CHARSETS: Final = frozenset({"iso-8859-1", "iso-8859-15", "latin-1", "utf-16", "windows-1252"})


@dataclass(frozen=True, slots=True)
class HttpCaller:
    """Sends the requests of one tool."""

    plan: HttpPlan

    @property
    def breaker_name(self) -> str:
        return f"tool:{self.plan.host}"

    async def call(
        self, tool: ToolSnapshot, arguments: Mapping[str, Any], context: ToolContext
    ) -> ToolResult:
        request = self.plan.prepare(arguments, context.idempotency_key, context.user_ref)
        response = await self._send(tool, request, attempts=ATTEMPTS if may_repeat(tool) else 1)
        return self._result(response)

    async def check(self, tool: ToolSnapshot, context: ToolContext) -> ToolResult | None:
        if not self.plan.status_url:
            raise ToolFailed(f"{tool.name} has no address to ask what became of a call.")
        request = self.plan.prepare_check(context.idempotency_key, context.user_ref)
        try:
            return self._result(await self._send(tool, request, attempts=ATTEMPTS))
        except ToolRetry as exc:
            if exc.details.get("status") == 404:
                return None
            raise ToolFailed(exc.message) from exc

    async def _send(
        self, tool: ToolSnapshot, request: PreparedRequest, *, attempts: int
    ) -> OutboundResponse:
        """The answer, when it is a good one; tried again while that may help and time is left."""
        return await insist(
            lambda: self._send_once(tool, request), attempts=attempts, seconds=tool.timeout_seconds
        )

    async def _send_once(self, tool: ToolSnapshot, request: PreparedRequest) -> OutboundResponse:
        is_unknown = tool.risk is not Risk.READ and request.method != "GET"
        try:
            response = await fetch(
                tool_connections().http,
                request.method,
                request.url,
                headers=request.headers,
                content=request.content,
                timeout_seconds=tool.timeout_seconds,
            )
        except OutboundTimeout as exc:
            text = f"{tool.name} did not answer within {tool.timeout_seconds:g} s."
            raise ToolTimeout(text, is_outcome_unknown=is_unknown) from exc
        except OutboundUnreachable as exc:
            raise ToolUnreachable(f"The server of {tool.name} cannot be reached.") from exc
        except OrkestaError as exc:
            text = f"{tool.name} failed: {exc.message}"
            raise ToolFailed(text, is_outcome_unknown=is_unknown) from exc
        self._judge(tool, response, is_unknown=is_unknown)
        return response

    def _judge(self, tool: ToolSnapshot, response: OutboundResponse, *, is_unknown: bool) -> None:
        """Raise for an answer that is no success."""
        status = response.status
        if 200 <= status < 300:
            return
        words = words_of(_text(response), spoken_forms(self.plan.secret)) if status >= 400 else ""
        said = f"{tool.name} answered {status}{': ' + words if words else '.'}"
        if 400 <= status < 500 and status not in _CREDENTIALS | TRANSIENT:
            raise ToolRetry(said, status=status)
        details: dict[str, Any] = {"status": status}
        if status in TRANSIENT and response.retry_after_seconds is not None:
            details["retry_after"] = response.retry_after_seconds
        raise ToolFailed(said, is_outcome_unknown=is_unknown and status >= 500, **details)

    def _result(self, response: OutboundResponse) -> ToolResult:
        text = without(_text(response), spoken_forms(self.plan.secret))
        if not text.strip():
            return ToolResult(f"Done: the answer ({response.status}) is empty.")
        try:
            return ToolResult(text, orjson.loads(text))
        except (orjson.JSONDecodeError, UnicodeError):
            return ToolResult(text)


def _text(response: OutboundResponse) -> str:
    """The body as text; of what is none, what kind it is and how long."""
    media_type = response.headers.get("content-type", "").lower()
    charset = media_type.partition("charset=")[2].split(";")[0].strip("\" '")
    try:
        return response.body.decode(charset if charset in _CHARSETS else "utf-8")
    except ValueError:
        pass
    if media_type.startswith(("text/", "application/json", "application/xml")):
        return response.body.decode("utf-8", errors="replace")
    kind = media_type.split(";")[0] or "unknown"
    return f"[{len(response.body)} bytes of {kind[:50]}, which is not text]"
