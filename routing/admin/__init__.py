"""The admin of who answers: agents, routing rules and LLM endpoints."""

from routing.admin import agents, endpoints, rules

__all__ = ["agents", "endpoints", "rules"]
