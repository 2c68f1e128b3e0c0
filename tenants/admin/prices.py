"""What LLMs cost a tenant, where the price list does not know or something else was agreed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants.admin.model_admin import TenantModelAdmin
from tenants.models import Membership
from tenants.usage_models import LLMPrice


@admin.register(LLMPrice)
class LLMPriceAdmin(TenantModelAdmin):
    """Owners see the prices; superusers set them, because the tier's limit is counted by them."""

    view_role = Membership.Role.OWNER
    list_display = ("llm", "input_price", "cached_price", "output_price")
    search_fields = ("llm",)
    empty_icon, empty_text = (
        "sell",
        _("Prices come from the list. A price here goes before it, for a local LLM for example."),
    )
    fieldsets = (
        (
            None,
            {
                "fields": ("llm", ("input_price", "cached_price", "output_price")),
                "description": _("US dollars per million tokens."),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser) and super().has_delete_permission(request, obj)
