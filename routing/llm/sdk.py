"""The openai SDK as the LLM client uses it: one client for all targets, nothing ambient."""

from collections.abc import Mapping
from typing import Any, Final, cast

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


class SDK(openai.AsyncOpenAI):
    """The SDK without what it takes from the environment (`OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`,
    `OPENAI_CUSTOM_HEADERS`): that is the installation's and must not travel to a tenant's
    endpoint. Nor does the description of our platform.
    """

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        return {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": "orkesta",
        }


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
    # Address and key come with each request; these never leave the process.
    return SDK(api_key="none", base_url="http://nowhere.invalid", max_retries=0, http_client=http)


async def post(
    sdk: SDK, target: LLMTarget, request: LLMRequest, *, stream: bool
) -> httpx2.Response:
    """The response to `request`, its body still unread. Raises what the SDK raises, LLMRejected
    for an address that is none, LLMAuthFailed for a key that HTTP cannot carry.
    """
    limit = target.timeout_seconds
    response = await sdk.post(
        _url_of(target),
        content=request_body(target, request, stream=stream),
        cast_to=httpx2.Response,
        # Also without streaming: the body is read by the client, which bounds its size.
        stream=True,
        stream_cls=openai.AsyncStream[Any],
        options={
            "headers": _headers_of(target, request),
            "timeout": httpx2.Timeout(limit, connect=min(CONNECT_SECONDS, limit)),
            "security": {"bearer_auth": True},
        },
    )
    # The overloads of `post` promise a stream of objects; `cast_to` makes it the bare response.
    return cast("httpx2.Response", response)


def _url_of(target: LLMTarget) -> str:
    base = OFFLINE_BASE_URL if target.base_url == OFFLINE_URL else target.base_url
    if not base.startswith(("http://", "https://", OFFLINE_URL)):
        raise LLMRejected("The language model's address must begin with http:// or https://.")
    return f"{base.rstrip('/')}/chat/completions"


def _headers_of(target: LLMTarget, request: LLMRequest) -> dict[str, str | openai.Omit]:
    """The target's own headers. Raises LLMAuthFailed for a key that HTTP cannot carry."""
    key = target.api_key.reveal()
    # Servers without keys (Ollama, llama.cpp) get no header rather than a made-up key.
    headers: dict[str, str | openai.Omit] = {
        "Authorization": f"Bearer {key}" if key else openai.Omit()
    }
    if request.idempotency_key:
        headers["Idempotency-Key"] = request.idempotency_key
    headers |= target.extra_headers
    for name, value in headers.items():
        if isinstance(value, str) and not (value.isascii() and value.isprintable()):
            kind = LLMAuthFailed if name == "Authorization" else LLMRejected
            raise kind(f"The header {name!r} holds characters that HTTP cannot carry.")
    return headers
