"""The base of pages over what the operator has agreed on with a tenant."""

from typing import Any

from django.http import HttpRequest

from tenants.admin.model_admin import TenantModelAdmin
from tenants.models import Membership


class AgreedAdmin(TenantModelAdmin):
    """Superusers write it, because it is their money; the tenant's owners read it."""

    view_role = Membership.Role.OWNER

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser) and super().has_delete_permission(request, obj)
