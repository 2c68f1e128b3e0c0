"""What becomes of a tenant's money and keys, told to its other systems by the rooms above."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


class Notice(StrEnum):
    BUDGET_ALERT = "budget.alert"
    KEY_LEAKED = "key.leaked"
    KEY_EXPIRING = "key.expiring"


def tell(tenant_id: UUID, notice: Notice, data: Mapping[str, Any]) -> None:
    """Tell it, in the transaction and the scope of what happened. `data` is plain JSON."""
    import_string(settings.ORKESTA_NOTICES)(tenant_id, notice, data)
