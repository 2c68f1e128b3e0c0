"""Reads of tenants."""

from uuid import UUID

from django.db.models import QuerySet

from tenants.errors import KeyNotFound
from tenants.models import ApiKey, Tenant


def get_tenant(tenant_id: UUID) -> Tenant:
    """The tenant with its tier."""
    return Tenant.objects.select_related("tier").get(pk=tenant_id)


def list_api_keys() -> QuerySet[ApiKey]:
    """The keys of the tenant in scope."""
    return ApiKey.objects.all()


def get_api_key(key_id: UUID) -> ApiKey:
    """One of them. Raises KeyNotFound."""
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None:
        raise KeyNotFound
    return key
