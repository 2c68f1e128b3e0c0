"""How much of a tier's limits the tenant in scope uses."""

from routing.models import Agent


def agents() -> int:
    return Agent.objects.count()
