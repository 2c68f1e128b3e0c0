"""The outbox of webhooks: deliveries are written in the transaction of the event they tell of.

So an event that was committed is told, and one that was rolled back is not. A tenant without
webhooks, which is most, pays nothing: what the tenant wants to be told of is remembered per
`config_version`, which every turn has read with its snapshot.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from threading import Lock
from typing import Any, Final
from uuid import UUID

from conversations.trigger_models import WebhookDelivery, WebhookEndpoint
from conversations.triggers.doorbell import deliveries_waiting
from conversations.triggers.events import WebhookEvent
from orkesta.api.renderer import to_json
from tenants.allowances import Feature, allowance_of
from tenants.statements import insert

#: Tenants whose wishes are remembered.
MAX_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event for the outside. `data` is what the receiver gets under that name, plain JSON."""

    type: WebhookEvent
    data: Mapping[str, Any]


class Wishes:
    """Which events each tenant's endpoints want to be told of, as of a configuration version."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[UUID, tuple[int, frozenset[str]]] = OrderedDict()

    def of(self, tenant_id: UUID, config_version: int | None) -> frozenset[str]:
        """As of that version or later; None asks the database. Needs the tenant's scope."""
        if config_version is None:
            return _read_wishes()
        with self._lock:
            known = self._known.get(tenant_id)
        if known is not None and known[0] >= config_version:
            return known[1]
        types = _read_wishes()
        with self._lock:
            self._known[tenant_id] = (config_version, types)
            self._known.move_to_end(tenant_id)
            while len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        return types


_wishes: Final = Wishes()


def announce(
    tenant_id: UUID,
    announcements: Sequence[Announcement],
    *,
    at: datetime,
    config_version: int | None = None,
) -> None:
    """Write a delivery for every active endpoint that wants it, if the tenant's tier includes
    webhooks. To be called in the transaction and the scope of the event; with `config_version`,
    endpoints saved after it may be missed.
    """
    if not announcements:
        return
    wanted = _wishes.of(tenant_id, config_version)
    told = [one for one in announcements if one.type in wanted]
    if not told or not allowance_of(tenant_id).has(Feature.WEBHOOKS):
        return
    endpoints = list(WebhookEndpoint.objects.filter(is_active=True).order_by("pk"))
    rows = [
        WebhookDelivery(
            tenant_id=tenant_id,
            endpoint=endpoint,
            event_type=one.type,
            body=_body(one, at),
        )
        for one in told
        for endpoint in endpoints
        if one.type in endpoint.event_types
    ]
    if rows:
        insert(rows)
        deliveries_waiting.ring_on_commit()


def _read_wishes() -> frozenset[str]:
    lists = WebhookEndpoint.objects.filter(is_active=True).values_list("event_types", flat=True)
    return frozenset(chain.from_iterable(lists))


def _body(one: Announcement, at: datetime) -> str:
    # The three fields that Standard Webhooks recommends for payloads.
    return to_json({"type": one.type, "timestamp": at, "data": one.data}).decode()
