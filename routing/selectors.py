"""Reads of the routing room, under an active tenant scope."""

from django.db.models import QuerySet

from routing.models import Agent


def list_agents() -> QuerySet[Agent]:
    return Agent.objects.filter(is_active=True).select_related("prompt").order_by("name")


def has_active_agent(slug: str) -> bool:
    return Agent.objects.filter(slug=slug, is_active=True).exists()
