"""Tiers, which are data, and what single tenants may use beyond theirs, or only up to less."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from tenants.admin.agreed import AgreedAdmin
from tenants.admin.businesses import SuperuserAdmin
from tenants.admin.pages import page_context
from tenants.admin_scope import person_of
from tenants.allowances import Feature
from tenants.models import Tenant, Tier, TierOverride
from tenants.services import touch_configuration
from tenants.tier_preview import Blocked, find_blocked

#: The button of the preview: the changes are wanted although they block somebody.
CONFIRMED: Final = "_confirmed"
FEATURE_WORDS: Final = {
    Feature.BATCHES: _("Batches: many requests in one call"),
    Feature.SCHEDULES: _("Schedules: messages that the clock posts"),
    Feature.INBOUND_WEBHOOKS: _("Inbound webhooks: others launch tasks"),
    Feature.WEBHOOKS: _("Webhooks: others hear how tasks end"),
}


class LinesField(forms.CharField):
    """A list of short texts, one per line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        return list(dict.fromkeys(line.strip() for line in lines if line.strip()))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class TierForm(forms.ModelForm):
    features = forms.MultipleChoiceField(
        label=_("Features"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        choices=[(feature.value, words) for feature, words in FEATURE_WORDS.items()],
        help_text=_("None chosen means all."),
    )
    allowed_llms = LinesField(
        label=_("Allowed LLMs"),
        required=False,
        help_text=_("Names, such as gpt-5-mini or gpt-5*. None means all."),
    )

    class Meta:
        model = Tier
        fields = (
            "name",
            "slug",
            *TierOverride.Limit.values,
            "retention_days",
            "claim_priority",
            "features",
            "allowed_llms",
        )


@admin.register(Tier)
class TierAdmin(SuperuserAdmin):
    form = TierForm
    list_display = (
        "name",
        "slug",
        "requests_per_minute",
        "requests_per_session",
        "max_concurrent_tasks",
        "tokens_per_month",
        "money_per_month",
        "retention_days",
    )
    search_fields = ("name", "slug")
    fieldsets = (
        (None, {"fields": (("name", "slug"),)}),
        (
            _("Requests"),
            {
                "fields": (
                    ("requests_per_minute", "requests_per_session"),
                    ("requests_per_minute_per_key", "requests_per_minute_per_session"),
                    ("max_concurrent_tasks", "claim_priority"),
                    ("max_sockets", "max_sockets_per_user"),
                ),
                "description": _("An empty limit means unlimited."),
            },
        ),
        (_("Per month"), {"fields": (("tokens_per_month", "money_per_month"),)}),
        (
            _("What it has"),
            {
                "fields": (
                    ("max_agents", "max_knowledge_megabytes"),
                    "retention_days",
                    "features",
                    "allowed_llms",
                )
            },
        ),
    )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Before a change that would block a tenant today is saved, it is shown which."""
        blocked = self._blocked(request, object_id)
        if blocked:
            return self._preview(request, blocked)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Tier, form: Any, change: bool) -> None:
        """Every tenant on the tier gets the new limits at its next request and task."""
        if not change:
            obj.save()
            return
        obj.save(update_fields=form.changed_data)
        for tenant_id in Tenant.objects.filter(tier=obj).values_list("pk", flat=True):
            touch_configuration(tenant_id)

    def _blocked(self, request: HttpRequest, object_id: str | None) -> list[Blocked]:
        if request.method != "POST" or object_id is None or CONFIRMED in request.POST:
            return []
        tier = self.get_object(request, object_id)
        form = self.get_form(request, tier, change=True)(request.POST, instance=tier)
        if not form.is_valid():
            return []
        return find_blocked(tier, {name: form.cleaned_data[name] for name in form.changed_data})

    def _preview(self, request: HttpRequest, blocked: list[Blocked]) -> HttpResponse:
        num = len({row.tenant.pk for row in blocked})
        title = ngettext(
            "%d tenant is above the new limit and would be blocked today",
            "%d tenants are above the new limit and would be blocked today",
            num,
        )
        context = {
            **page_context(self, request, gettext("Preview")),
            "headline": title % num,
            "blocked": blocked,
            "confirmed": CONFIRMED,
            "posted": [
                (name, value)
                for name, values in request.POST.lists()
                if name != "csrfmiddlewaretoken"
                for value in values
            ],
        }
        return TemplateResponse(request, "orkesta/tenants/tier_preview.html", context)


@admin.register(TierOverride)
class TierOverrideAdmin(AgreedAdmin):
    list_display = ("shown_limit", "shown_value", "reason", "expires_at", "created_by")
    list_select_related = ("created_by",)
    empty_icon, empty_text = (
        "tune",
        _("The limits are those of the tier. An override changes one of them, for a reason."),
    )
    fieldsets = ((None, {"fields": (("limit", "value"), "reason", "expires_at")}),)

    def save_model(self, request: HttpRequest, obj: TierOverride, form: Any, change: bool) -> None:
        if not change:
            person = person_of(request)
            obj.created_by_id = person.pk if person else None
        super().save_model(request, obj, form, change)

    @display(description=_("limit"))
    def shown_limit(self, override: TierOverride) -> str:
        return override.get_limit_display()

    @display(description=_("value"))
    def shown_value(self, override: TierOverride) -> Any:
        return _("unlimited") if override.value is None else f"{override.value.normalize():f}"
