"""What LLMs cost a tenant, where the price list does not know or something else was agreed."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from tenants.admin.agreed import AgreedAdmin
from tenants.usage_models import LLMPrice


@admin.register(LLMPrice)
class LLMPriceAdmin(AgreedAdmin):
    """Prices: the tier's limit is counted by them."""

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
