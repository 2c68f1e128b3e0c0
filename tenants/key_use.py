"""What is noted of the use of keys: when, from where, how often, and whether that is unusual.

Each process gathers what it sees; once a minute one of them writes it to the key's row. So the
statistic costs one UPDATE a minute per key, and a key that is used from a second network in between
is noticed all the same.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from tenants.models import ApiKey
from tenants.networks import range_of
from tenants.scope import scopes_disabled

logger = logging.getLogger(__name__)

NOTED_EVERY: Final = timedelta(seconds=60)
MAX_KEYS: Final = 10_000
MAX_ADDRESSES: Final = 50
MAX_RANGES: Final = 20
#: So many times its usual calls per minute are sudden; fewer than `QUIET` of them never are.
SUDDEN: Final = 10
QUIET: Final = 120.0
#: The share that the last minute has in what is usual.
WEIGHT: Final = 0.2


@dataclass(slots=True)
class Seen:
    """The calls of one key since they were last written down."""

    since: float
    calls: int = 0
    addresses: set[str] = field(default_factory=set)


class Uses:
    """What this process has seen. Bounded: beyond, the keys seen longest ago are forgotten."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[UUID, Seen] = {}
        self._lock = Lock()

    def count(self, key_id: UUID | None, address: str) -> None:
        """A call with this key, from this address."""
        if key_id is None:
            return
        with self._lock:
            seen = self._seen.get(key_id)
            if seen is None:
                while len(self._seen) >= MAX_KEYS:
                    del self._seen[next(iter(self._seen))]
                seen = self._seen[key_id] = Seen(self._clock())
            seen.calls += 1
            if address and len(seen.addresses) < MAX_ADDRESSES:
                seen.addresses.add(address)

    def take(self, key_id: UUID) -> tuple[float, set[str]]:
        """Calls per minute and addresses since the last time, and begin anew."""
        with self._lock:
            seen = self._seen.pop(key_id, None)
        if seen is None:
            return 0.0, set()
        minutes = (self._clock() - seen.since) / 60
        return seen.calls / max(1.0, minutes), seen.addresses


uses: Final = Uses()


def note_use(key: ApiKey, address: str) -> None:
    """Write down what was seen of the key, if nobody has within the last minute."""
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < NOTED_EVERY:
        return
    calls, addresses = uses.take(key.pk)
    values = judge(key, calls=calls, addresses=addresses)
    if what := values.get("unusual_what"):
        values["unusual_at"] = now
        logger.warning("Unusual use of the key %s: %s.", key.kid, what)
    if address:
        values["last_used_address"] = address
    not_noted = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - NOTED_EVERY)
    try:
        with scopes_disabled(), transaction.atomic():
            ApiKey.objects.filter(not_noted, pk=key.pk).update(last_used_at=now, **values)
    except DatabaseError:
        # A busy database must not turn a good key away over a statistic.
        logger.warning("The use of key %s could not be noted.", key.kid, exc_info=True)


def judge(key: ApiKey, *, calls: float, addresses: set[str]) -> dict[str, Any]:
    """The columns that follow from `calls` per minute from these addresses. What a key does at
    first is what is usual for it.
    """
    known: list[str] = list(key.known_ranges)
    ranges = sorted({found for one in addresses if (found := range_of(one))} - set(known))
    values: dict[str, Any] = {"usual_calls": calls}
    if key.last_used_at is not None:
        values["usual_calls"] = WEIGHT * calls + (1 - WEIGHT) * key.usual_calls
        if calls > max(QUIET, SUDDEN * key.usual_calls):
            values["unusual_what"] = ApiKey.Unusual.RATE
    if ranges:
        values["known_ranges"] = [*known, *ranges][-MAX_RANGES:]
        if known:
            values["unusual_what"] = ApiKey.Unusual.ADDRESS
    return values
