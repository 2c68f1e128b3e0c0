"""Tiers, which are data, and what single tenants may use beyond theirs, or only up to less."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from tenants.admin.agreed import AgreedAdmin
from tenants.admin.businesses import SuperuserAdmin
from tenants.admin.forms import TenantModelForm
from tenants.admin.preview import PreviewedPages
from tenants.admin_scope import person_of
from tenants.allowances import Feature, value_of
from tenants.models import Tenant, Tier, TierOverride
from tenants.services import touch_configuration
from tenants.tier_preview import Blocked, find_above, find_blocked

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


class FeaturesField(forms.MultipleChoiceField):
    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def __init__(self) -> None:
        super().__init__(
            label=_("Features"),
            required=False,
            choices=[(feature.value, words) for feature, words in FEATURE_WORDS.items()],
            help_text=_("None chosen means all."),
        )


class LLMsField(LinesField):
    def __init__(self) -> None:
        super().__init__(
            label=_("Allowed LLMs"),
            required=False,
            help_text=_("Names, such as gpt-5-mini or gpt-5*. None means all."),
        )


class TierForm(forms.ModelForm):
    features = FeaturesField()
    allowed_llms = LLMsField()

    class Meta:
        model = Tier
        fields = (
            "name",
            "slug",
            *TierOverride.Limit.values,
        )


@admin.register(Tier)
class TierAdmin(PreviewedPages, SuperuserAdmin):
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

    def find_blocked(self, form: Any) -> list[Blocked]:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        return [] if form.instance._state.adding else find_blocked(form.instance, changes)

    def save_model(self, request: HttpRequest, obj: Tier, form: Any, change: bool) -> None:
        """Every tenant on the tier gets the new limits at its next request and task."""
        if not change:
            obj.save()
            return
        obj.save(update_fields=form.changed_data)
        for tenant_id in Tenant.objects.filter(tier=obj).values_list("pk", flat=True):
            touch_configuration(tenant_id)


class TierOverrideForm(TenantModelForm):
    """A number, or a list of names: which, follows from the limit."""

    features = FeaturesField()
    allowed_llms = LLMsField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.limit in TierOverride.LISTS:
            self.initial.setdefault(self.instance.limit, self.instance.names)

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        limit = asked.get("limit", "")
        is_list = limit in TierOverride.LISTS
        names = list(asked.get(limit) or []) if is_list else []
        if is_list:
            asked["value"] = None
        if self.instance.value != asked.get("value"):
            self.also_stored.add("value")
        if self.instance.names != names:
            self.also_stored.add("names")
        self.instance.names = names
        return asked


@admin.register(TierOverride)
class TierOverrideAdmin(PreviewedPages, AgreedAdmin):
    form = TierOverrideForm
    list_display = ("shown_limit", "shown_value", "reason", "expires_at", "created_by")
    list_select_related = ("created_by",)
    empty_icon, empty_text = (
        "tune",
        _("The limits are those of the tier. An override changes one of them, for a reason."),
    )
    conditional_fields = {
        "value": " && ".join(f"limit != '{name}'" for name in sorted(TierOverride.LISTS)),
        **{str(name): f"limit == '{name}'" for name in TierOverride.LISTS},
    }

    def get_fieldsets(self, request: HttpRequest, obj: TierOverride | None = None) -> Any:
        # Who only reads sees columns, and no fields that there are for writing.
        may_write = self.has_change_permission(request, obj)
        lists = ("features", "allowed_llms") if may_write else ("names",)
        return ((None, {"fields": (("limit", "value"), *lists, "reason", "expires_at")}),)

    def find_blocked(self, form: Any) -> list[Blocked]:
        asked = form.cleaned_data
        limit = asked["limit"]
        if asked["expires_at"] is not None and asked["expires_at"] <= timezone.now():
            return []
        is_list = limit in TierOverride.LISTS
        allowed = form.instance.names if is_list else value_of(limit, asked["value"])
        return find_above(form.instance.tenant, {limit: allowed}, has_overrides=False)

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
        if override.limit in TierOverride.LISTS:
            return ", ".join(override.names) or _("all")
        return _("unlimited") if override.value is None else f"{override.value.normalize():f}"
