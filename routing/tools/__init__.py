"""Tools: what the model asks for in JSON, and deterministic code checks and does.

    arguments = read_arguments(tool, call.arguments)        # ToolRetry: the model may try again
    result = await run_tool(tool, arguments, context)       # ToolRetry, ToolFailed

The snapshot of an agent holds its tools (`AgentSnapshot.tools`); `docs/tools.md` tells the rest.
"""

from routing.tools.running import check_tool, read_arguments, run_tool
from routing.tools.values import Recovery, Risk, ToolContext, ToolKind, ToolResult, ToolSnapshot

__all__ = [
    "Recovery",
    "Risk",
    "ToolContext",
    "ToolKind",
    "ToolResult",
    "ToolSnapshot",
    "check_tool",
    "read_arguments",
    "run_tool",
]
