"""What each tenant may use, remembered in this process for a few seconds.

Saving a tier or an override forgets it at once here; other processes notice within `TTL_SECONDS`.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import transaction

if TYPE_CHECKING:
    from tenants.allowances import Allowance

TTL_SECONDS: Final = 5.0
MAX_TENANTS: Final = 2000

_known: dict[UUID, "tuple[float, Allowance]"] = {}
_lock = Lock()


def find_allowance(
    tenant_id: UUID, *, clock: Callable[[], float] = time.monotonic
) -> "Allowance | None":
    """What was read in the last few seconds."""
    found = _known.get(tenant_id)
    return found[1] if found is not None and found[0] > clock() else None


def keep_allowance(tenant_id: UUID, allowance: "Allowance") -> None:
    with _lock:
        if len(_known) >= MAX_TENANTS:
            _known.clear()
        _known[tenant_id] = (time.monotonic() + TTL_SECONDS, allowance)


def forget_allowances(tenant_id: UUID | None = None) -> None:
    """Read it anew at the next question: this tenant's, or everybody's. Once more after the commit,
    because somebody else may have read the old one until then.
    """
    forget_now(tenant_id)
    transaction.on_commit(lambda: forget_now(tenant_id))


def forget_now(tenant_id: UUID | None = None) -> None:
    """Read it anew at the next question, whatever is being saved."""
    with _lock:
        if tenant_id is None:
            _known.clear()
        else:
            _known.pop(tenant_id, None)
