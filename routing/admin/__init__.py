"""The admin of who answers: agents and their tools, routing rules, LLM endpoints."""

from routing.admin import agents, endpoints, mcp_servers, rules, tools

__all__ = ["agents", "endpoints", "mcp_servers", "rules", "tools"]
