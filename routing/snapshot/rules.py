"""Rules of routing, compiled from their rows."""

import logging
from collections.abc import Iterable

from orkesta.errors import OrkestaError
from routing.models import RoutingRule
from routing.rules import Rule, compile_condition, know_each_other

logger = logging.getLogger(__name__)


def read_rules() -> tuple[Rule, ...]:
    """The tenant's active rules, in order, as they are stored now."""
    return compile_rules(RoutingRule.objects.select_related("agent"))


def compile_rules(rows: Iterable[RoutingRule]) -> tuple[Rule, ...]:
    """The active ones of these rows, of active agents, that can be used; in their order."""
    active = [row for row in rows if row.is_active and row.agent.is_active]
    return know_each_other([rule for row in active if (rule := _rule(row)) is not None])


def _rule(row: RoutingRule) -> Rule | None:
    try:
        condition = compile_condition(row.kind, row.condition)
    except OrkestaError as exc:
        logger.error("routing rule %s cannot be used: %s", row.pk, exc)
        return None
    return Rule(str(row.pk), row.name, condition, row.agent.slug, row.intent)
