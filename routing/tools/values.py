"""What a tool is to those who run one: its snapshot, the context of a call, and the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID


class ToolKind(StrEnum):
    """Where the work is done."""

    BUILTIN = "builtin"
    HTTP = "http"
    MCP = "mcp"


class Risk(StrEnum):
    """What a call may do: look, change something, or change what a person approves first."""

    READ = "read"
    WRITE = "write"
    APPROVAL = "approval"


class Recovery(StrEnum):
    """What may be done with a call whose outcome a crash left unknown: make it again (the other
    side recognises the key), ask what became of it (`check_tool`), or leave it to a person.
    """

    IDEMPOTENT = "idempotent"
    CHECK = "check"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a tool is called. None of it comes from the model."""

    tenant_id: UUID
    session_id: UUID
    task_id: UUID
    agent_slug: str
    user_ref: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered. `text` is what the model reads; `data` is the same as JSON, None when
    the answer is not JSON or was cut. Both can be stored: no NUL, no lone surrogate.
    """

    text: str
    data: Any = None
    is_truncated: bool = False


class ToolCaller(Protocol):
    """One kind's way to the other side. `run_tool` stands in front of it."""

    @property
    def breaker_name(self) -> str:
        """The breaker this call stands behind, within the tenant; empty for none."""

    async def call(
        self, tool: "ToolSnapshot", arguments: Mapping[str, Any], context: ToolContext
    ) -> ToolResult:
        """The whole answer, not yet cut to size. Raises ToolRetry, ToolFailed."""

    async def check(self, tool: "ToolSnapshot", context: ToolContext) -> ToolResult | None:
        """What became of the call with this idempotency key; None: it never arrived. Raises
        ToolFailed, also when there is no way to ask.
        """


class Checker(Protocol):
    """Says what is wrong with a JSON value, by the schema it was made of."""

    def fault(self, value: Any) -> str | None:
        """The first fault in words that a model understands; None when the value fits."""


@dataclass(frozen=True, slots=True)
class ToolSnapshot:
    """A tool as a turn sees it. `schema_hash` is the SHA-256 of what the model is told of it:
    name, description and parameters.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    risk: Risk
    recovery: Recovery
    timeout_seconds: float
    schema_hash: str
    caller: ToolCaller
    kind: ToolKind = ToolKind.BUILTIN
    checker: Checker | None = None
    output_checker: Checker | None = None
    #: The MCP server whose tool it is.
    server_id: UUID | None = None
