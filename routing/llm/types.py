"""What goes through the LLM door: a target, a request, and the completion that comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orkesta.crypto import Secret
from routing.endpoints import OFFLINE_URL

__all__ = [
    "OFFLINE_URL",
    "Completion",
    "FailedTarget",
    "LLMRequest",
    "LLMTarget",
    "ToolCall",
    "ToolSpec",
    "Usage",
]


@dataclass(frozen=True, slots=True)
class LLMTarget:
    """Where to ask, with which key, for which model.

    `timeout_seconds` bounds the wait for the first piece of an answer, and then every silence
    between two pieces; `deadline_seconds`, where it is set, bounds the whole of a streamed answer.
    `max_retries` replaces the client's own number. `fallback` is asked when this one fails before
    it has said anything.
    """

    name: str
    base_url: str
    api_key: Secret
    model: str
    timeout_seconds: float = 30.0
    tenant_id: str = ""
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: float | None = None
    max_retries: int | None = None
    fallback: "LLMTarget | None" = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool offered to the model; `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants run; `arguments` is JSON text as the model wrote it, unchecked."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class LLMRequest:
    """One question to a model. `messages` have the shape of OpenAI Chat Completions.

    With `response_schema` the answer is JSON text that should fit it; callers still validate.
    """

    messages: list[dict[str, Any]]
    tools: tuple[ToolSpec, ...] = ()
    response_schema: dict[str, Any] | None = None
    schema_name: str = "answer"
    temperature: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; `estimated` when it did not and we guessed by length."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class FailedTarget:
    """A target that came to nothing, so that its fallback was asked; `breaker` is how the breaker
    in front of it stood afterwards.
    """

    endpoint: str
    llm: str
    code: str
    detail: str
    breaker: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished answer. Its texts hold neither NUL nor lone surrogates.

    Times count from the first byte of the request of the attempt that succeeded;
    `first_token_ms` is None when the answer holds no text or was not streamed. `attempts` is 1
    when nothing had to be tried again. `endpoint` is the target that answered, `failed` are those
    that had been asked in vain before.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str
    usage: Usage
    model: str
    response_id: str
    first_token_ms: float | None
    duration_ms: float
    attempts: int = 1
    endpoint: str = ""
    failed: tuple[FailedTarget, ...] = ()
