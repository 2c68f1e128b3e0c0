"""Rows that say what a tenant may use: whoever changes one makes everybody read it anew."""

from typing import Any

from tenants.allowance_cache import forget_allowances
from tenants.scope import TenantModel


class AllowanceRow(TenantModel):
    """Saving or deleting it forgets what is known of its tenant's allowance."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget_allowances(self.tenant_id)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        gone = super().delete(*args, **kwargs)
        forget_allowances(self.tenant_id)
        return gone
