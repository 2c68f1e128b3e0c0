"""The client under the vendors' own: `openai` and `mcp` work through it and never around it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer

from orkesta.errors import OrkestaError
from orkesta.outbound import OutboundBlocked, OutboundPolicy, OutboundTooLarge, open_client
from orkesta.outbound.errors import AddressBlocked, ResponseTooLarge, outbound_error
from tests.fakes.asgi_server import serve_asgi
from tests.fakes.hostile_http import HostileServer

TOKENS = ["Ten", " pipes", " of", " PVC"]


async def streaming_llm(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for token in TOKENS:
        chunk = {
            "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"content": token}, "finish_reason": None}],
        }  # fmt: skip
        line = f"data: {json.dumps(chunk)}\n\n".encode()
        await send({"type": "http.response.body", "body": line, "more_body": True})
        await asyncio.sleep(0.03)
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def llm(client: httpx2.AsyncClient, port: int) -> openai.AsyncOpenAI:
    base_url = f"http://127.0.0.1:{port}/v1"
    return openai.AsyncOpenAI(api_key="k", base_url=base_url, http_client=client, max_retries=0)


async def stream_of(client: openai.AsyncOpenAI) -> AsyncIterator[str]:
    chunks = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "?"}], stream=True
    )
    async for chunk in chunks:
        yield chunk.choices[0].delta.content or ""


def open_policy(port: int) -> OutboundPolicy:
    return OutboundPolicy(allow_private=True, extra_ports=frozenset({port}))


async def test_openai_streams_token_by_token() -> None:
    async with serve_asgi(streaming_llm) as port, open_client(open_policy(port)) as client:
        loop = asyncio.get_running_loop()
        arrived = [(token, loop.time()) async for token in stream_of(llm(client, port))]
    assert [token for token, _ in arrived] == TOKENS
    # Passed on as it comes, and not gathered first.
    assert arrived[-1][1] - arrived[0][1] > 0.06


async def test_openai_is_blocked_where_the_policy_says_so() -> None:
    async with HostileServer() as server:
        policy = OutboundPolicy(extra_ports=frozenset({server.port}))
        async with open_client(policy) as client:
            with pytest.raises(openai.APIConnectionError) as caught:
                [token async for token in stream_of(llm(client, server.port))]
        assert server.accepted == 0
    assert isinstance(caught.value.__cause__, AddressBlocked)
    assert isinstance(outbound_error(caught.value.__cause__), OutboundBlocked)


async def test_a_stream_ends_at_the_cap() -> None:
    async with (
        serve_asgi(streaming_llm) as port,
        open_client(open_policy(port), max_bytes=400) as client,
    ):
        with pytest.raises((ResponseTooLarge, openai.APIConnectionError)) as caught:
            [token async for token in stream_of(llm(client, port))]
    raised = caught.value if isinstance(caught.value, ResponseTooLarge) else caught.value.__cause__
    assert isinstance(outbound_error(raised), OutboundTooLarge)  # type: ignore[arg-type]


async def test_mcp_lists_and_calls_tools() -> None:
    shop = MCPServer("shop")

    @shop.tool()
    def stock(product: str) -> str:
        return f"12 of {product}"

    async with (
        serve_asgi(shop.streamable_http_app()) as port,
        open_client(open_policy(port)) as http,
        Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ["stock"]
        result = await client.call_tool("stock", {"product": "PVC"})
    assert result.content[0].text == "12 of PVC"  # type: ignore[union-attr]


async def test_mcp_is_blocked_where_the_policy_says_so() -> None:
    async with HostileServer() as server:
        policy = OutboundPolicy(extra_ports=frozenset({server.port}))
        async with open_client(policy, timeout_seconds=2) as http:
            transport = streamable_http_client(server.url("/mcp"), http_client=http)
            with pytest.raises(ExceptionGroup) as caught:
                async with Client(transport) as client:
                    await client.list_tools()
        assert server.accepted == 0
    assert caught.group_contains(AddressBlocked)


EVERY_HTTPX2_ERROR = [
    kind
    for kind in vars(httpx2).values()
    if isinstance(kind, type) and issubclass(kind, httpx2.TransportError)
]


@pytest.mark.parametrize("kind", [*EVERY_HTTPX2_ERROR, httpx2.InvalidURL, httpx2.DecodingError])
def test_every_exception_of_httpx2_has_an_error_of_ours(kind: type[Exception]) -> None:
    translated = outbound_error(kind("secret detail of theirs"))
    assert isinstance(translated, OrkestaError)
    assert translated.code.startswith("outbound_")
    assert "secret" not in translated.message
