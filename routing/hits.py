"""How often routing rules decide, counted without a row of its own for every turn.

Each process counts in memory and adds up what it has every few seconds, one statement for each rule
and day. What a killed process had not yet added is lost: a statistic, not a ledger.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import date
from threading import Lock
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from routing.models import RoutingRule, RuleDay
from tenants.scope import tenant_scope

FLUSH_SECONDS: Final = 5.0
#: Of rules and days; tenants that route by more than this within a flush are not all counted.
MAX_PENDING: Final = 50_000
logger = logging.getLogger(__name__)

Hit = tuple[UUID, UUID, date]
_pending: Counter[Hit] = Counter()
_lock = Lock()


def note_hit(tenant_id: UUID, rule_id: UUID, day: date) -> None:
    """Count a decision; from any thread, at the cost of a dictionary entry."""
    with _lock:
        if len(_pending) < MAX_PENDING or (tenant_id, rule_id, day) in _pending:
            _pending[tenant_id, rule_id, day] += 1


def flush_hits() -> int:
    """Add what this process has counted to the rows; how many decisions that were.

    Raises DatabaseError, and then keeps what it could not add for the next time.
    """
    with _lock:
        taken = Counter(_pending)
        _pending.clear()
    total = taken.total()
    added: list[Hit] = []
    try:
        for hit in list(taken):
            _add(hit, taken[hit])
            added.append(hit)
    finally:
        _put_back(taken, added)
    return total


def _put_back(taken: Counter[Hit], added: Iterable[Hit]) -> None:
    for hit in added:
        del taken[hit]
    if taken:
        with _lock:
            _pending.update(taken)


def _add(hit: Hit, count: int) -> None:
    tenant_id, rule_id, day = hit
    with tenant_scope(tenant_id), transaction.atomic():
        rows = RuleDay.objects.filter(rule_id=rule_id, day=day)
        if rows.update(num_hits=F("num_hits") + count):
            return
        if not RoutingRule.objects.filter(pk=rule_id).exists():
            return
        try:
            with transaction.atomic():
                RuleDay.objects.create(rule_id=rule_id, day=day, num_hits=count)
        except IntegrityError:  # another process was first
            rows.update(num_hits=F("num_hits") + count)
