"""Inbound webhooks. The address is shown once, when it is made; the secret is written, not read."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from conversations.admin.shown import moment
from conversations.trigger_models import InboundWebhook
from conversations.triggers.inbound import equip, set_secret
from orkesta.webhook_signing import validate_secret
from tenants.admin.forms import TenantModelForm
from tenants.admin.model_admin import TenantModelAdmin
from tenants.admin.pages import page_context
from tenants.models import Membership


class InboundWebhookForm(TenantModelForm):
    signing_secret = forms.CharField(
        label=_("Signing secret"),
        required=False,
        max_length=200,
        help_text=_("“whsec_…”, if the sender gave you one. Empty: we make one, or keep ours."),
        widget=UnfoldAdminPasswordWidget(
            render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}
        ),
    )

    class Meta:
        model = InboundWebhook
        fields: ClassVar = ("name", "message_template", "agent", "is_active")

    def clean_signing_secret(self) -> str:
        secret: str = self.cleaned_data["signing_secret"]
        if secret:
            validate_secret(secret)
        return secret


@admin.register(InboundWebhook)
class InboundWebhookAdmin(TenantModelAdmin):
    form = InboundWebhookForm
    edit_role = Membership.Role.OWNER
    is_configuration = False
    empty_icon, empty_text = (
        "call_received",
        _("Another system calls an inbound webhook, and a message is made of what it sends."),
    )
    list_display = ("name", "address", "agent", "used", "status")
    list_filter = ("is_active",)
    list_select_related = ("agent",)
    search_fields = ("name",)

    def get_fieldsets(self, request: HttpRequest, obj: InboundWebhook | None = None) -> Any:
        if not self.has_change_permission(request, obj):
            facts = (("name", "is_active"), "address", "message_template", "agent")
            return ((None, {"fields": facts}),)
        facts = (("name", "is_active"), "message_template", "agent", "signing_secret")
        return ((None, {"fields": facts}),)

    def save_model(
        self, request: HttpRequest, obj: InboundWebhook, form: Any, change: bool
    ) -> None:
        secret = form.cleaned_data["signing_secret"]
        if not change:
            request.new_hook = equip(obj, signing_secret=secret)  # type: ignore[attr-defined]
        elif secret:
            set_secret(obj, secret)
            form.also_stored.add("sealed_secret")
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: InboundWebhook, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The only page that ever shows the address. Nothing keeps the answer to a POST."""
        new = request.new_hook  # type: ignore[attr-defined]
        address = request.build_absolute_uri(reverse("hook", args=[new.token]))
        context = {
            **page_context(self, request, gettext("Your new inbound webhook")),
            "webhook": obj,
            "shown": [(gettext("Address"), address), (gettext("Signing secret"), new.secret)],
            "back": reverse("admin:conversations_inboundwebhook_changelist"),
        }
        return render(request, "orkesta/conversations/webhook_secrets.html", context)

    @display(description=_("address"))
    def address(self, webhook: InboundWebhook) -> str:
        return f"/hooks/whk_…{webhook.token_hint}"

    @display(description=_("last used"), ordering="last_used_at", empty_value="-")
    def used(self, webhook: InboundWebhook) -> str | None:
        return moment(webhook.last_used_at) or None

    @display(description=_("status"), label={"on": "success", "off": ""})
    def status(self, webhook: InboundWebhook) -> tuple[str, Any]:
        return ("on", _("Active")) if webhook.is_active else ("off", _("Inactive"))
