"""Tools made by hand, and a call of one."""

from dataclasses import dataclass, field, fields
from typing import Any
from uuid import uuid4

from orkesta.crypto import Secret
from routing.tools import Recovery, Risk, ToolContext, ToolKind, ToolResult, ToolSnapshot
from routing.tools.builtin import BuiltinCaller, get_builtin
from routing.tools.http import HttpCaller
from routing.tools.http_plan import HttpPlan
from routing.tools.mcp import McpCaller
from routing.tools.mcp_target import McpTarget
from routing.tools.schema import compile_schema, hash_of


def a_call(**values: Any) -> ToolContext:
    given = {
        "tenant_id": uuid4(),
        "session_id": uuid4(),
        "task_id": uuid4(),
        "agent_slug": "sales",
        "user_ref": "customer-7",
        "idempotency_key": "task:3:call-1",
    }
    return ToolContext(**(given | values))


@dataclass
class Answering:
    """A caller that gives back `result`, or raises it, and remembers its calls."""

    result: Any = field(default_factory=lambda: ToolResult("done", {"done": True}))
    breaker_name: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, tool: ToolSnapshot, arguments: Any, context: ToolContext) -> ToolResult:
        self.calls.append(dict(arguments))
        if isinstance(self.result, Exception):
            raise self.result
        assert isinstance(self.result, ToolResult)
        return self.result

    async def check(self, tool: ToolSnapshot, context: ToolContext) -> ToolResult | None:
        return None


def made_tool(**values: Any) -> ToolSnapshot:
    parameters = values.get("parameters", {"type": "object", "properties": {}})
    given = {
        "name": "made",
        "description": "Made for a test.",
        "parameters": parameters,
        "risk": Risk.READ,
        "recovery": Recovery.IDEMPOTENT,
        "timeout_seconds": 2.0,
        "schema_hash": hash_of("made", "Made for a test.", parameters),
        "caller": Answering(),
        "kind": ToolKind.HTTP,
        "checker": compile_schema(parameters),
    }
    return ToolSnapshot(**(given | values))


def builtin_tool(name: str, time_zone: str = "America/Bogota") -> ToolSnapshot:
    found = get_builtin(name)
    return made_tool(
        name=name,
        parameters=dict(found.parameters),
        kind=ToolKind.BUILTIN,
        caller=BuiltinCaller(found, time_zone),
    )


def http_tool(url: str, **values: Any) -> ToolSnapshot:
    """A tool that asks `url`; values of `HttpPlan` and of `ToolSnapshot` may be mixed."""
    names = {one.name for one in fields(HttpPlan)}
    plan = {name: value for name, value in values.items() if name in names}
    rest = {name: value for name, value in values.items() if name not in names}
    caller = HttpCaller(HttpPlan(**({"method": "GET", "url": url} | plan)))
    return made_tool(**({"caller": caller} | rest))


def mcp_target(url: str, **values: Any) -> McpTarget:
    given = {
        "tenant_id": uuid4(),
        "server_id": uuid4(),
        "name": "Shop",
        "slug": "shop",
        "url": url,
        "command": (),
        "secret_header": "Authorization",
        "secret": Secret(""),
        "timeout_seconds": 2.0,
    }
    return McpTarget(**(given | values))


def mcp_tool(target: McpTarget, remote_name: str = "price", **values: Any) -> ToolSnapshot:
    given = {"caller": McpCaller(target, remote_name), "kind": ToolKind.MCP}
    return made_tool(**(given | values))
