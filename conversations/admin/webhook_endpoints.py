"""Outbound webhooks: where they go, and how each delivery went."""

from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanSwitchWidget

from conversations.admin.shown import duration, moment
from conversations.trigger_models import WebhookDelivery, WebhookEndpoint
from conversations.triggers.deliveries import replay_delivery
from conversations.triggers.endpoints import equip, note_activity, rotate_secret
from conversations.triggers.events import WebhookEvent
from orkesta.errors import OrkestaError
from tenants.admin.forms import TenantModelForm
from tenants.admin.model_admin import HistoryAdmin, TenantModelAdmin
from tenants.admin.pages import page_context
from tenants.admin_scope import Role, has_role
from tenants.models import Membership

DELIVERY_LABELS: Final = {"pending": "info", "delivered": "success", "failed": "danger"}


class WebhookEndpointForm(TenantModelForm):
    event_types = forms.MultipleChoiceField(
        label=_("Events"),
        choices=WebhookEvent.choices,
        initial=[WebhookEvent.TASK_COMPLETED, WebhookEvent.TASK_FAILED],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    new_secret = forms.BooleanField(
        label=_("Make a new signing secret"),
        required=False,
        help_text=_("It is shown once. The present one goes on signing for 24 hours."),
        widget=UnfoldBooleanSwitchWidget,
    )

    class Meta:
        model = WebhookEndpoint
        fields: ClassVar = ("name", "url", "event_types", "is_active")


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(TenantModelAdmin):
    form = WebhookEndpointForm
    edit_role = Membership.Role.OWNER
    empty_icon, empty_text = (
        "webhook",
        _("A webhook tells a system of yours how tasks end, and when a person is needed."),
    )
    list_display = ("name", "url", "events", "status")
    list_filter = ("is_active",)
    search_fields = ("name", "url")

    def get_fieldsets(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> Any:
        facts: tuple[Any, ...] = (("name", "is_active"), "url", "event_types")
        if obj is not None and self.has_change_permission(request, obj):
            facts = (*facts, "new_secret")
        if obj is not None and obj.disabled_reason:
            facts = (("disabled_reason", "disabled_at"), *facts)
        return ((None, {"fields": facts}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("disabled_reason", "disabled_at")

    def save_model(
        self, request: HttpRequest, obj: WebhookEndpoint, form: Any, change: bool
    ) -> None:
        if not change:
            request.new_secret = equip(obj)  # type: ignore[attr-defined]
        form.also_stored.update(note_activity(obj))
        super().save_model(request, obj, form, change)
        if change and form.cleaned_data.get("new_secret"):
            _, request.new_secret = rotate_secret(endpoint_id=obj.pk)  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._secret_page(request, obj)

    def response_change(self, request: HttpRequest, obj: WebhookEndpoint) -> HttpResponse:
        if hasattr(request, "new_secret"):
            return self._secret_page(request, obj)
        return super().response_change(request, obj)

    def _secret_page(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        """The only page that ever shows the secret. Nothing keeps the answer to a POST."""
        secret = request.new_secret  # type: ignore[attr-defined]
        context = {
            **page_context(self, request, gettext("Your signing secret")),
            "webhook": endpoint,
            "shown": [(gettext("Signing secret"), secret)],
            "back": reverse("admin:conversations_webhookendpoint_changelist"),
        }
        return render(request, "orkesta/conversations/webhook_secrets.html", context)

    @display(description=_("events"))
    def events(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.event_types)

    @display(description=_("status"), label={"on": "success", "off": "", "disabled": "danger"})
    def status(self, endpoint: WebhookEndpoint) -> tuple[str, Any]:
        if endpoint.disabled_reason:
            return "disabled", endpoint.get_disabled_reason_display()
        return ("on", _("Active")) if endpoint.is_active else ("off", _("Inactive"))


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(HistoryAdmin):
    empty_icon, empty_text = (
        "outgoing_mail",
        _("Whatever your webhooks were told, and what they answered, stands here."),
    )
    list_display = ("shown_id", "event_type", "endpoint", "shown_status", "num_tries", "next_time")
    list_filter = ("status", "endpoint")
    list_select_related = ("endpoint",)
    search_fields = ("body",)
    ordering = ("-id",)
    actions = ("replay_selected",)
    readonly_fields = ("tries_made",)
    fields = (
        ("endpoint", "event_type"), ("status", "num_tries"), ("created_at", "next_try_at"),
        "body", "tries_made",
    )  # fmt: skip

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return has_role(request, Role.EDITOR)

    @admin.action(description=_("Send the selected deliveries again"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Under the same ids, whatever became of them; not to an endpoint that is inactive."""
        num_sent = 0
        for delivery_id in queryset.values_list("pk", flat=True):
            try:
                replay_delivery(delivery_id=delivery_id)
            except OrkestaError as exc:
                self.message_user(request, exc.message, messages.ERROR)
            else:
                num_sent += 1
        text = ngettext("%d delivery is sent again.", "%d deliveries are sent again.", num_sent)
        level = messages.SUCCESS if num_sent else messages.WARNING
        self.message_user(request, text % num_sent, level)

    @display(description=_("delivery"))
    def shown_id(self, delivery: WebhookDelivery) -> str:
        return delivery.id.hex[-8:]

    @display(description=_("status"), ordering="status", label=DELIVERY_LABELS)
    def shown_status(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return delivery.status, delivery.get_status_display()

    @display(description=_("next try"), ordering="next_try_at", empty_value="-")
    def next_time(self, delivery: WebhookDelivery) -> str | None:
        return moment(delivery.next_try_at) or None

    @display(description=_("tries"), empty_value="-")
    def tries_made(self, delivery: WebhookDelivery) -> Any:
        lines = [
            (
                moment(made.tried_at),
                made.response_status or made.error_code,
                duration(made.duration_ms),
                made.response_excerpt[:200],
            )
            for made in delivery.tries.order_by("attempt")
        ]
        return format_html_join("\n", "<p>{} · {} · {} {}</p>", lines) or None
