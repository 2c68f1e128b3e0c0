"""Where tickets for WebSockets are kept until they are taken, which works once.

In one process they are kept in its memory, for many processes in Redis. While Redis is gone they
are rows of the database, so that browsers can come in all the same; tickets that it held when it
went are lost, and a page whose ticket is refused asks for another.
"""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache
from threading import Lock
from typing import Any, Final, Protocol
from uuid import UUID

import orjson
from django.utils import timezone

from orkesta.redis_door import RedisDoor, RedisUnavailable, Script, redis_door
from tenants.principals import Principal
from tenants.scope import scopes_disabled, tenant_scope
from tenants.ticket_models import SocketTicket

logger = logging.getLogger(__name__)

MAX_TICKETS: Final = 10_000
_PUT: Final = Script("return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])")
_TAKE: Final = Script("return redis.call('GETDEL', KEYS[1])")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a ticket stands for. An empty origin means any that is allowed."""

    principal: Principal
    session_id: UUID
    origin: str = ""


@dataclass(frozen=True, slots=True)
class TicketName:
    """What a ticket is kept under: its tenant, and its digest, so that who reads the store cannot
    use what is in it.
    """

    tenant_slug: str
    digest: str

    @classmethod
    def of(cls, ticket: str, *, tenant_slug: str) -> "TicketName":
        return cls(tenant_slug, hashlib.sha256(ticket.encode()).hexdigest())

    @property
    def id(self) -> UUID:
        return UUID(self.digest[:32])


class TicketStore(Protocol):
    """Keeps grants until they are taken, which works once."""

    def put(self, name: TicketName, grant: Grant, *, seconds: float) -> None: ...

    def take(self, name: TicketName) -> Grant | None:
        """The grant, and never again. Atomic over all callers."""
        ...


class InMemoryTicketStore:
    """For one process. Bounded: the oldest ticket goes first."""

    def __init__(
        self, *, max_tickets: int = MAX_TICKETS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_tickets = max_tickets
        self._clock = clock
        self._grants: OrderedDict[TicketName, tuple[float, Grant]] = OrderedDict()
        self._lock = Lock()

    def put(self, name: TicketName, grant: Grant, *, seconds: float) -> None:
        with self._lock:
            self._grants[name] = (self._clock() + seconds, grant)
            while len(self._grants) > self._max_tickets:
                self._grants.popitem(last=False)

    def take(self, name: TicketName) -> Grant | None:
        with self._lock:
            expires_at, grant = self._grants.pop(name, (0.0, None))
        return grant if expires_at > self._clock() else None


class DatabaseTicketStore:
    """For as long as Redis is gone. Of many who take a row, that one has it who deletes it."""

    def put(self, name: TicketName, grant: Grant, *, seconds: float) -> None:
        now = timezone.now()
        with tenant_scope(grant.principal.tenant_id):
            SocketTicket.objects.filter(expires_at__lt=now).delete()
            SocketTicket.objects.create(
                id=name.id, grant=to_json(grant), expires_at=now + timedelta(seconds=seconds)
            )

    def take(self, name: TicketName) -> Grant | None:
        # Whose ticket it is is what we are about to learn, so no scope can be active yet.
        with scopes_disabled():
            rows = SocketTicket.objects.filter(pk=name.id, tenant__slug=name.tenant_slug)
            row = rows.first()
            if row is None or not SocketTicket.objects.filter(pk=row.pk).delete()[0]:
                return None
        return from_json(row.grant) if row.expires_at > timezone.now() else None


class RedisTicketStore:
    """For many processes."""

    def __init__(self, door: RedisDoor) -> None:
        self._door = door
        self._meanwhile = DatabaseTicketStore()

    def put(self, name: TicketName, grant: Grant, *, seconds: float) -> None:
        value = orjson.dumps(to_json(grant)).decode()
        try:
            self._door.run(_PUT, keys=[_key(name)], args=[value, int(seconds * 1000)])
        except RedisUnavailable:
            logger.warning("Redis is gone: a ticket is kept in the database.")
            self._meanwhile.put(name, grant, seconds=seconds)

    def take(self, name: TicketName) -> Grant | None:
        try:
            value = self._door.run(_TAKE, keys=[_key(name)], args=[])
        except RedisUnavailable:
            value = None
        # What is not in Redis may have been issued while it was gone.
        return self._meanwhile.take(name) if value is None else from_json(orjson.loads(value))


@cache
def get_ticket_store() -> TicketStore:
    """The store of this process, or the one it shares with others."""
    door = redis_door()
    return InMemoryTicketStore() if door is None else RedisTicketStore(door)


def to_json(grant: Grant) -> dict[str, Any]:
    """The grant as plain values."""
    lists = {name: sorted(getattr(grant.principal, name)) for name in ("scopes", "agents")}
    principal = asdict(grant.principal) | lists
    ids = {name: principal[name] and str(principal[name]) for name in ("tenant_id", "key_id")}
    return {
        "principal": principal | ids,
        "session_id": str(grant.session_id),
        "origin": grant.origin,
    }


def from_json(value: dict[str, Any]) -> Grant:
    """The grant again."""
    said = value["principal"]
    principal = Principal(
        tenant_id=UUID(said["tenant_id"]),
        tenant_slug=said["tenant_slug"],
        key_id=UUID(said["key_id"]) if said["key_id"] else None,
        key_name=said["key_name"],
        scopes=frozenset(said["scopes"]),
        agents=frozenset(said["agents"]),
    )
    return Grant(principal, UUID(value["session_id"]), value["origin"])


def _key(name: TicketName) -> str:
    return f"orkesta:{{{name.tenant_slug}}}:ticket:{name.digest}"
