"""Webhook agents: a program of the tenant's that answers, asked by one signed POST.

It is asked through the transport that shuts private addresses, behind a circuit breaker, and again
only as long as it has not said anything. `webhook-id` stays the same in every try, so that a
receiver can tell a repetition; the signature follows Standard Webhooks.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
import orjson
from django.utils import timezone

from orkesta.crypto import Secret
from orkesta.errors import OrkestaError
from orkesta.outbound import OutboundResponse, OutboundTimeout, outbound_error
from orkesta.webhook_signing import headers_for
from routing.breaker_store import BreakerStore, breaker_store
from routing.errors import (
    AgentBadAnswer,
    AgentBusy,
    AgentCircuitOpen,
    AgentError,
    AgentRejected,
    AgentTimeout,
    AgentUnreachable,
)
from routing.guarding import Guard, agent_breaker, guarded
from routing.llm.retry import RetryPolicy, with_retries
from routing.llm.types import Completion, Usage
from routing.remote_answer import answer_pieces
from routing.tools.connections import tool_connections

GUARD: Final = Guard(refusal=AgentCircuitOpen, answered=(AgentRejected,), failure=AgentError)
T = TypeVar("T")
_DOWN: Final = frozenset({408, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where a webhook agent is. `timeout_seconds` bounds one try, the whole answer included."""

    tenant_id: str
    slug: str
    url: str
    secret: Secret
    timeout_seconds: float = 30.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def breaker_name(self) -> str:
        return agent_breaker(self.slug)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


async def ask_webhook(
    target: WebhookTarget,
    told: Mapping[str, Any],
    *,
    webhook_id: str,
    breakers: BreakerStore | None = None,
) -> AsyncGenerator[str | Completion, None]:
    """Pieces of text as they arrive, and the Completion last, as of an LLM that counts no tokens.

    Closing this closes the connection. Raises AgentError.
    """
    body = orjson.dumps(told, default=str)
    attempts = with_retries(lambda: _ask_once(target, body, webhook_id), target.retry)
    completion = None
    async with (
        guarded(breakers or breaker_store(), target.tenant_id, target.breaker_name, guard=GUARD),
        aclosing(attempts) as pieces,
    ):
        async for piece in pieces:
            if isinstance(piece, Completion):
                completion = piece
            else:
                yield piece
    if completion is not None:
        yield completion


async def _ask_once(
    target: WebhookTarget, body: bytes, webhook_id: str
) -> AsyncGenerator[str | Completion, None]:
    started, texts, first_ms = perf_counter(), [], None
    ends_at = asyncio.get_running_loop().time() + target.timeout_seconds
    response = await _in_time(_send(target, body, webhook_id), ends_at)
    try:
        _judge(response)
        media_type = response.headers.get("content-type", "")
        async with aclosing(answer_pieces(media_type, response.aiter_bytes())) as pieces:
            while (piece := await _in_time(anext(pieces, None), ends_at)) is not None:
                first_ms = first_ms or (perf_counter() - started) * 1000
                texts.append(piece)
                yield piece
    finally:
        await response.aclose()
    text = "".join(texts)
    if not text.strip():
        raise AgentBadAnswer("The remote agent answered with nothing.")
    yield Completion(
        text=text,
        tool_calls=(),
        finish_reason="stop",
        usage=Usage(0, 0),
        model="",
        response_id=response.headers.get("x-request-id", "")[:200],
        first_token_ms=first_ms,
        duration_ms=(perf_counter() - started) * 1000,
        endpoint=target.host,
    )


async def _send(target: WebhookTarget, body: bytes, webhook_id: str) -> httpx2.Response:
    client = tool_connections().http
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream, application/json, text/plain",
        **_signature(target, body, webhook_id),
    }
    request = client.build_request("POST", target.url, headers=headers, content=body)
    return await client.send(request, stream=True)


def _signature(target: WebhookTarget, body: bytes, webhook_id: str) -> dict[str, str]:
    if not target.secret:
        return {"webhook-id": webhook_id}
    return headers_for(
        webhook_id=webhook_id,
        body=body.decode(),
        signed_with=[target.secret],
        at=timezone.now(),
    )


async def _in_time(work: Awaitable[T], ends_at: float) -> T:
    """What `work` gives before `ends_at`, with the errors of HTTP made ours."""
    try:
        async with asyncio.timeout_at(ends_at):
            return await work
    except TimeoutError as exc:
        raise AgentTimeout from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as exc:
        raise _ours(outbound_error(exc)) from exc


def _ours(error: OrkestaError) -> AgentError:
    if isinstance(error, OutboundTimeout):
        return AgentTimeout()
    return AgentUnreachable(f"The remote agent cannot be reached: {error.message}")


def _judge(response: httpx2.Response) -> None:
    """Raise for an answer that is no success."""
    status = response.status_code
    if status == 200:
        return
    said = f"The remote agent answered {status}."
    if status == 429:
        asked = OutboundResponse(status, response.headers, b"").retry_after_seconds
        raise AgentBusy(said, **({} if asked is None else {"retry_after": asked}))
    if status in _DOWN:
        raise AgentUnreachable(said)
    if 400 <= status < 500:
        raise AgentRejected(said)
    raise AgentError(said)
