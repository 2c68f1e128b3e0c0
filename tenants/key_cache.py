"""Keys that were verified a moment ago, so that a busy caller costs no query per request."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from django.utils import timezone

from tenants.networks import Network
from tenants.principals import Principal

#: A revoked key may live this long in another process; the promise to users is 5 s.
TTL_SECONDS: Final = 4.0
MAX_ENTRIES: Final = 10_000


@dataclass(frozen=True, slots=True)
class CheckedKey:
    """A genuine key: whom it stands for, and what its use is bound to."""

    kid: str
    principal: Principal
    expires_at: datetime | None = None
    #: When it was replaced by another; its callers are told to move on.
    deprecated_at: datetime | None = None
    #: From where alone it may be used; none means anywhere.
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    key: CheckedKey
    forget_at: float


class KeyCache:
    """Bounded and short-lived. It holds SHA-256 of keys, never a key, and only of genuine ones."""

    def __init__(
        self,
        *,
        ttl_seconds: float = TTL_SECONDS,
        max_entries: int = MAX_ENTRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._max_entries = max_entries
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._lock = Lock()

    def find(self, raw: str) -> CheckedKey | None:
        """The key, if it was verified within the last seconds and has not expired."""
        entry = self._entries.get(_name(raw))
        if entry is None or entry.forget_at <= self._clock():
            return None
        if entry.key.expires_at is not None and entry.key.expires_at <= timezone.now():
            return None
        return entry.key

    def put(self, raw: str, key: CheckedKey) -> None:
        entry = _Entry(key, self._clock() + self._ttl_seconds)
        with self._lock:
            # Insertion order is order of age: the first entry is the one to drop.
            self._entries.pop(_name(raw), None)
            while len(self._entries) >= self._max_entries:
                del self._entries[next(iter(self._entries))]
            self._entries[_name(raw)] = entry

    def forget(self, kid: str) -> None:
        with self._lock:
            for name in [name for name, entry in self._entries.items() if entry.key.kid == kid]:
                del self._entries[name]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def _name(raw: str) -> bytes:
    return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).digest()
