"""Reads of tenants."""

from uuid import UUID

from tenants.models import Tenant


def get_tenant(tenant_id: UUID) -> Tenant:
    """The tenant with its tier."""
    return Tenant.objects.select_related("tier").get(pk=tenant_id)
