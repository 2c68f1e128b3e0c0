"""The newest snapshot of each tenant, in this process."""

from collections import OrderedDict
from threading import Lock
from typing import Final
from uuid import UUID

from routing.snapshot.reading import read_tenant
from routing.snapshot.values import TenantSnapshot
from tenants.selectors import get_tenant

MAX_SNAPSHOTS: Final = 500
_cache: OrderedDict[UUID, TenantSnapshot] = OrderedDict()
_lock = Lock()


def get_snapshot(tenant_id: UUID, config_version: int) -> TenantSnapshot:
    """The tenant's configuration, at `config_version` or newer. Needs the tenant's scope."""
    with _lock:
        found = _cache.get(tenant_id)
    if found is not None and found.config_version >= config_version:
        return found
    fresh = read_tenant(get_tenant(tenant_id))
    with _lock:
        _cache[tenant_id] = fresh
        _cache.move_to_end(tenant_id)
        while len(_cache) > MAX_SNAPSHOTS:
            _cache.popitem(last=False)
    return fresh


def known_version(tenant_id: UUID) -> int | None:
    """The version of the newest snapshot that this process holds; None when it holds none."""
    with _lock:
        found = _cache.get(tenant_id)
    return None if found is None else found.config_version


def forget_snapshots() -> None:
    """Empty the cache; for tests and for commands that change configuration behind its back."""
    with _lock:
        _cache.clear()
