"""The inbox of the rules page: what no rule decided lately, one click away from an example."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from routing.models import RoutingRule
from routing.replay import PastMessage
from routing.rules import RuleInvalid
from routing.rules.examples import MAX_EXAMPLE_CHARS, pieces
from tenants.audit import record_change, values_of
from tenants.services import touch_configuration

#: Messages that have as much in common as this are shown as one; an example would catch them all.
SAME_FROM: Final = 0.5
MAX_GROUPS: Final = 25
#: Who decided where no rule did; what was asked for by name, or went on as before, needs no rule.
_UNDECIDED: Final = frozenset({"llm", "fallback"})


@dataclass(slots=True)
class Group:
    """Messages that say much the same, the newest of them first."""

    text: str
    agents: set[str]
    num: int = 1
    pieces: frozenset[str] = field(default_factory=frozenset)
    names: list[str] = field(default_factory=list)


def undecided(messages: Iterable[PastMessage]) -> list[Group]:
    """What no rule decided, as groups: the largest first, then the newest."""
    groups: list[Group] = []
    for message in messages:
        text = " ".join(message.text.split())[:MAX_EXAMPLE_CHARS]
        if message.source not in _UNDECIDED or not text:
            continue
        found = frozenset(pieces(text))
        same = next((one for one in groups if _likeness(one.pieces, found) >= SAME_FROM), None)
        if same is None:
            groups.append(Group(text, {message.agent_slug}, pieces=found))
        else:
            same.num += 1
            same.agents.add(message.agent_slug)
    return sorted(groups, key=lambda group: -group.num)[:MAX_GROUPS]


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / sqrt(len(one) * len(other) or 1)


def rules_with_examples() -> Sequence[RoutingRule]:
    """Those that a message can be added to, in their order."""
    rows = RoutingRule.objects.filter(kind=RoutingRule.Kind.EXAMPLES).select_related("agent")
    return list(rows.order_by("position", "created_at"))


@transaction.atomic
def add_example(*, rule_id: UUID, text: str) -> RoutingRule:
    """Add a message to the rule's examples, unless it is there.

    Raises RoutingRule.DoesNotExist, and RuleInvalid when the rule can take no more.
    """
    rows = RoutingRule.objects.select_for_update(of=("self",)).select_related("agent")
    rule = rows.get(pk=rule_id, kind=RoutingRule.Kind.EXAMPLES)
    example = " ".join(text.split())[:MAX_EXAMPLE_CHARS]
    known = list(rule.condition.get("examples") or [])
    if example not in known:
        before = values_of(rule)
        rule.condition = rule.condition | {"examples": [*known, example]}
        try:
            rule.clean()
        except ValidationError as exc:
            raise RuleInvalid(" ".join(exc.messages)) from exc
        rule.save(update_fields=["condition"])
        record_change(rule, before)
        touch_configuration(rule.tenant_id)
    return rule
