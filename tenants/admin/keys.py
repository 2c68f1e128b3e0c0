"""API keys of a tenant: made in a form, shown once, revoked by hand; otherwise only looked at."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from tenants.admin.key_forms import SCOPE_WORDS, NewKeyForm, RotationForm
from tenants.admin.model_admin import TenantModelAdmin, refused_form
from tenants.admin.pages import dialog_done, page_context
from tenants.admin_scope import FORM_FIELD, has_role, person_of, tenant_of
from tenants.errors import KeyNotRotatable
from tenants.models import ApiKey, Membership
from tenants.services import issue_api_key, revoke_api_key, rotate_api_key

STATES: Final = {
    "usable": "success",
    "going": "info",
    "unusual": "warning",
    "expired": "warning",
    "revoked": "danger",
    "leaked": "danger",
}
#: For so long unusual use is pointed out in the list.
POINTED_OUT: Final = timedelta(days=7)


@admin.register(ApiKey)
class ApiKeyAdmin(TenantModelAdmin):
    view_role = edit_role = Membership.Role.OWNER
    is_configuration = False
    form = NewKeyForm
    empty_icon, empty_text = (
        "key",
        _("A key lets your page or app send messages. Make one for each and revoke it alone."),
    )
    list_display = ("name", "shown_key", "few_scopes", "state", "used", "expires")
    search_fields = ("name", "kid")
    actions = ("revoke_selected",)
    actions_detail = ("rotate", "revoke")
    fieldsets = (
        (None, {"fields": ("name", ("kind", "lifetime"), "scopes", ("agents", "addresses"))}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a key may do is fixed at its birth: make another and revoke this one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revoked key stays, so that conversations can still say who opened them."""
        return False

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Asked with an id by the dialog, which has to answer 404 before it shows itself."""
        if not has_role(request, self.edit_role):
            return False
        return obj is None or self.get_object(request, obj) is not None

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        key = self.get_object(request, object_id)
        found: list[Any] = super().get_actions_detail(request, object_id)
        if key.revoked_at is not None:
            return []
        is_rotatable = key.is_usable and key.replaced_by_id is None
        return [one for one in found if is_rotatable or "rotate" not in str(one.path)]

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        if obj is None:
            return self.fieldsets
        facts = (
            "state_words",
            ("created_at", "expires_at"),
            ("last_used_at", "last_used_address"),
            ("unusual", "revoked_at"),
            ("only_agents", "only_addresses"),
            ("replaced_by", "made_by"),
        )
        return ((None, {"fields": (("name", "shown_key"), "may", *facts)}),)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        if obj is None:
            return ()
        shown = ("shown_key", "may", "state_words", "unusual", "only_agents", "only_addresses")
        dates = ("created_at", "revoked_at", "last_used_at")
        return (*shown, *dates, "last_used_address", "replaced_by", "made_by")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        buttons = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**(extra_context or {}), **buttons})

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ApiKey:
        """The service makes the row; the form only asked the questions."""
        tenant = tenant_of(request)
        if tenant is None:
            raise RuntimeError("a key is made in a tenant")
        asked = form.cleaned_data
        days = int(asked["lifetime"] or 0)
        key, plain = issue_api_key(
            tenant=tenant,
            name=asked["name"],
            scopes=asked["scopes"],
            expires_at=timezone.now() + timedelta(days=days) if days else None,
            created_by=person_of(request),
            is_live=asked["kind"] == "live",
            agents=asked["agents"],
            addresses=asked["addresses"],
        )
        form.save_m2m = lambda: None
        request.plain_key = plain  # type: ignore[attr-defined]
        return key

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Nothing: `issue_api_key` has written it."""

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The only page that ever shows the key. It is the answer to the POST, so no session, cache
        or history keeps it.
        """
        return self._key_page(request, obj, request.plain_key)  # type: ignore[attr-defined]

    def _key_page(self, request: HttpRequest, key: ApiKey, plain: str) -> HttpResponse:
        context = {
            **page_context(self, request, gettext("Your new key")),
            "key": key,
            "plain_key": plain,
            "snippets": snippets(request, plain),
        }
        return render(request, "orkesta/tenants/key_created.html", context)

    @action(description=_("Rotate"), icon="autorenew", permissions=["revoke"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Asks for the overlap, then answers with the new key."""
        refused = refused_form(request)
        if refused is not None:
            return refused
        key = self.get_object(request, object_id)
        form = RotationForm(request.POST or None)
        if form.is_valid():
            overlap = timedelta(hours=int(form.cleaned_data["overlap"]))
            try:
                successor, plain = rotate_api_key(key=key, overlap=overlap, by=person_of(request))
            except KeyNotRotatable:
                text = gettext("The key “%s” cannot be rotated any more.") % key.name
                self.message_user(request, text, messages.ERROR)
                return dialog_done(request, self, key.pk)
            return self._key_page(request, successor, plain)
        context = {
            **page_context(self, request, gettext("Rotate this key")),
            "key": key,
            "form": form,
            "form_field": FORM_FIELD,
            "form_tenant": key.tenant_id,
        }
        return render(request, "orkesta/tenants/key_rotate.html", context)

    @action(
        description=_("Revoke"),
        icon="key_off",
        variant=ActionVariant.DANGER,
        permissions=["revoke"],
        dialog={
            "title": _("Revoke this key?"),
            "description": _(
                "Whatever uses it stops working within seconds. There is no way back."
            ),
            "form_class": None,
            "form_submit_text": _("Revoke"),
        },
    )
    def revoke(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        key = self.get_object(request, object_id)
        revoke_api_key(key=key)
        self.log_change(request, key, "Revoked.")
        self.message_user(request, _("The key “%s” is revoked.") % key.name, messages.SUCCESS)
        return dialog_done(request, self, key.pk)

    @admin.action(description=_("Revoke the selected keys"), permissions=["revoke"])
    @transaction.atomic
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        usable = list(queryset.filter(revoked_at=None))
        for key in usable:
            revoke_api_key(key=key)
        text = ngettext("%d key revoked.", "%d keys revoked.", len(usable)) % len(usable)
        self.message_user(request, text, messages.SUCCESS if usable else messages.WARNING)

    @display(description=_("key"))
    def shown_key(self, key: ApiKey) -> str:
        return key.shown

    @display(description=_("allowed to"))
    def few_scopes(self, key: ApiKey) -> str:
        """A list has room for two; the key's page tells them all."""
        rest = len(key.scopes) - 2
        return ", ".join(key.scopes[:2]) + (f" +{rest}" if rest > 0 else "")

    @display(description=_("last used at"), ordering="last_used_at", empty_value="-")
    def used(self, key: ApiKey) -> str | None:
        return _day_and_hour(key.last_used_at)

    @display(description=_("expires at"), ordering="expires_at", empty_value="-")
    def expires(self, key: ApiKey) -> str | None:
        return _day_and_hour(key.expires_at)

    @display(description=_("allowed to"))
    def may(self, key: ApiKey) -> SafeString:
        """In words, each with its name in the API."""
        words = {scope.value: words for scope, words in SCOPE_WORDS.items()}
        lines = [(words.get(scope, ""), scope) for scope in key.scopes]
        return format_html_join("", "<p>{} <span class='ork-note ork-mono'>{}</span></p>", lines)

    @display(description=_("created by"), empty_value="-")
    def made_by(self, key: ApiKey) -> str | None:
        return str(key.created_by) if key.created_by else None

    @display(description=_("status"))
    def state_words(self, key: ApiKey) -> str:
        return str(self.state(key)[1])

    @display(description=_("status"), label=STATES)
    def state(self, key: ApiKey) -> tuple[str, Any]:
        if key.revoked_at is not None:
            is_leaked = key.revoked_because == ApiKey.RevokedBecause.LEAKED
            return ("leaked", _("Leaked")) if is_leaked else ("revoked", _("Revoked"))
        if not key.is_usable:
            return "expired", _("Expired")
        if key.unusual_at is not None and timezone.now() - key.unusual_at < POINTED_OUT:
            return "unusual", _("Unusual use")
        return ("going", _("Replaced")) if key.replaced_at else ("usable", _("Usable"))

    @display(description=_("unusual use"), empty_value="-")
    def unusual(self, key: ApiKey) -> str | None:
        if key.unusual_at is None:
            return None
        return f"{key.get_unusual_what_display()}, {_day_and_hour(key.unusual_at)}"

    @display(description=_("agents"), empty_value="-")
    def only_agents(self, key: ApiKey) -> str | None:
        return ", ".join(key.agents) or None

    @display(description=_("addresses"), empty_value="-")
    def only_addresses(self, key: ApiKey) -> str | None:
        return ", ".join(key.addresses) or None


def _day_and_hour(at: datetime | None) -> str | None:
    return date_format(timezone.localtime(at), "j M Y, H:i") if at else None


def snippets(request: HttpRequest, plain_key: str) -> dict[str, str]:
    """Lines for a terminal that work as they are: to send a message, and to watch the answer."""
    tenant = tenant_of(request)
    base = request.build_absolute_uri("/").rstrip("/")
    socket = base.replace("http", "ws", 1)
    auth = f"Authorization: Bearer {plain_key}"
    body = '{"message": "Hola, ¿tienen tubos de PVC de media pulgada?"}'
    return {
        "curl": f"curl -sS {base}/api/v1/chat/send \\\n  -H '{auth}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d '{body}'",
        "socket": f"websocat -H '{auth}' {socket}/ws/{tenant.slug if tenant else ''}/SESSION",
        "stream": f"curl -N {base}/api/v1/tasks/TASK/stream \\\n  -H '{auth}'",
    }
