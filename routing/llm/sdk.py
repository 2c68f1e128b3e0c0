"""The openai SDK as the LLM client uses it: one client for all targets, nothing ambient."""

from collections.abc import Mapping
from typing import Final

import httpx2
import openai

from orkesta.outbound import OutboundPolicy, quick_transport
from routing.errors import LLMAuthFailed, LLMRejected
from routing.llm.bounded import BoundedErrors
from routing.llm.types import OFFLINE_URL, LLMRequest, LLMTarget
from routing.llm.wire import request_body

CONNECT_SECONDS: Final = 10.0
#: Bounds of one exchange with a model: the longest answer anybody waits for, and its size.
MAX_SECONDS: Final = 3600.0
MAX_BYTES: Final = 64 * 1024 * 1024
OFFLINE_BASE_URL: Final = "offline://model/v1"


#: Nothing of what the SDK would take from the environment (`OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`,
#: `OPENAI_CUSTOM_HEADERS`): that is the installation's and must not travel to a tenant's endpoint.
#: Nor does the description of our platform.
OUR_HEADERS: Final = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "orkesta",
}


class SDK(openai.AsyncOpenAI):
    """The SDK on an HTTP client of ours. Requests are ready when they are sent: building them with
    the SDK would cost more than all the rest of a call.
    """

    def __init__(self, http: httpx2.AsyncClient) -> None:
        # Address and key come with each request; these never leave the process.
        super().__init__(
            api_key="none", base_url="http://nowhere.invalid", max_retries=0, http_client=http
        )
        self._http = http

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """The response, its body still unread. Raises what the HTTP client raises, and for statuses
        from 300 on the SDK's error, with the head of the body.
        """
        response = await self._http.send(request, stream=True)
        if response.is_success:
            return response
        try:
            await response.aread()
        finally:
            await response.aclose()
        raise self._make_status_error_from_response(response)

    def request_for(
        self, url: str, body: bytes, headers: dict[str, str], *, timeout: httpx2.Timeout
    ) -> httpx2.Request:
        return self._http.build_request(
            "POST", url, content=body, headers=OUR_HEADERS | headers, timeout=timeout
        )


def make_sdk(
    *,
    policy: OutboundPolicy,
    mounts: Mapping[str, httpx2.AsyncBaseTransport],
) -> SDK:
    """The SDK with `mounts` in front of the network, where only what `policy` allows is reached.

    No proxy variables of the environment, and no redirects: they would carry the key elsewhere.
    """
    transport = quick_transport(policy, timeout_seconds=MAX_SECONDS, max_bytes=MAX_BYTES)
    http = httpx2.AsyncClient(
        transport=BoundedErrors(transport),
        mounts={prefix: BoundedErrors(mounted) for prefix, mounted in mounts.items()},
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
    )
    return SDK(http)


async def post(
    sdk: SDK, target: LLMTarget, request: LLMRequest, *, stream: bool
) -> httpx2.Response:
    """The response to `request`; returns and raises as `post_json` does."""
    body = request_body(target, request, stream=stream)
    key = request.idempotency_key
    return await post_json(sdk, target, "chat/completions", body, idempotency_key=key)


async def post_json(
    sdk: SDK, target: LLMTarget, address: str, body: bytes, *, idempotency_key: str = ""
) -> httpx2.Response:
    """The response to a ready body, its own body still unread: the client reads it, and bounds its
    size. Raises what `SDK.send` raises, LLMRejected for an address that is none, LLMAuthFailed for
    a key that HTTP cannot carry.
    """
    limit = target.timeout_seconds
    timeout = httpx2.Timeout(limit, connect=min(CONNECT_SECONDS, limit))
    headers = _headers_of(target, idempotency_key)
    url = f"{_base_of(target)}/{address}"
    return await sdk.send(sdk.request_for(url, body, headers, timeout=timeout))


def _base_of(target: LLMTarget) -> str:
    base = OFFLINE_BASE_URL if target.base_url == OFFLINE_URL else target.base_url
    if not base.startswith(("http://", "https://", OFFLINE_URL)):
        raise LLMRejected("The language model's address must begin with http:// or https://.")
    return base.rstrip("/")


def _headers_of(target: LLMTarget, idempotency_key: str) -> dict[str, str]:
    """The target's own headers. Raises LLMAuthFailed for a key that HTTP cannot carry."""
    headers: dict[str, str] = {}
    key = target.api_key.reveal()
    if key:  # servers without keys (Ollama, llama.cpp) get no header rather than a made-up key
        headers["Authorization"] = f"Bearer {key}"
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    headers |= target.extra_headers
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            kind = LLMAuthFailed if name == "Authorization" else LLMRejected
            raise kind(f"The header {name!r} holds characters that HTTP cannot carry.")
    return headers
