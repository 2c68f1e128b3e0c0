"""LLM endpoints. The key is written and never read; a key belongs to the host it was given for."""

from time import perf_counter
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanSwitchWidget

from orkesta.errors import OrkestaError
from orkesta.outbound import configured_policy
from routing.admin.breakers import BreakerAdmin
from routing.endpoints import OFFLINE_URL
from routing.gateway import embedding_breaker_name
from routing.llm.client import LLMClient
from routing.llm.retry import RetryPolicy
from routing.llm.types import Completion, LLMRequest, LLMTarget
from routing.models import LLMEndpoint
from tenants.admin.forms import TenantModelForm
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.models import Membership

#: The smallest question there is.
MAX_TRIAL_SECONDS: Final = 20.0
_TRIAL: Final = LLMRequest([{"role": "user", "content": "ping"}], max_output_tokens=16)


class EndpointForm(TenantModelForm):
    moving_flags = frozenset({"is_default"})

    new_api_key = forms.CharField(
        label=_("API key"),
        required=False,
        max_length=500,
        help_text=_(
            "It is sealed when you save, and never shown again. Empty keeps the present one."
        ),
        widget=UnfoldAdminPasswordWidget(
            render_value=False, attrs={"autocomplete": "new-password", "spellcheck": "false"}
        ),
    )
    forget_api_key = forms.BooleanField(
        label=_("Forget the key"), required=False, widget=UnfoldBooleanSwitchWidget
    )

    class Meta:
        model = LLMEndpoint
        fields: ClassVar = (
            "name",
            "base_url",
            "llm",
            "embedding_llm",
            "timeout_seconds",
            "fallback",
            "is_default",
            "is_active",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.host_before = _host(self.instance.base_url)
        hint = self.instance.api_key_hint
        if self.instance.sealed_api_key:
            self.fields["new_api_key"].widget.attrs["placeholder"] = f"•••• {hint}".strip()
        else:
            self.fields.pop("forget_api_key", None)

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        self._check_key(asked)
        if asked.get("is_default") and not asked.get("is_active"):
            self.add_error("is_active", _("The default endpoint has to be active."))
        if self.instance.is_default and "is_default" in self.changed_data:
            error = _("Make another endpoint the default; this one then ceases to be it.")
            self.add_error("is_default", ValidationError(error, code="no_default"))
        return asked

    def _check_key(self, asked: dict[str, Any]) -> None:
        is_new_host = _host(asked.get("base_url", "")) != self.host_before
        has_key = bool(self.instance.sealed_api_key) and not asked.get("forget_api_key")
        if is_new_host and has_key and not asked.get("new_api_key"):
            error = _("The host is another one now, so enter its key, or forget the present key.")
            self.add_error("new_api_key", ValidationError(error, code="key_of_other_host"))

    def seal_key(self) -> None:
        """Put the asked-for change of the key into the row, which is not saved yet."""
        asked = self.cleaned_data
        if asked.get("new_api_key"):
            self.instance.set_api_key(asked["new_api_key"])
        elif asked.get("forget_api_key"):
            self.instance.set_api_key("")
        else:
            return
        self.also_stored |= {"sealed_api_key", "api_key_hint"}


@admin.register(LLMEndpoint)
class LLMEndpointAdmin(BreakerAdmin):
    form = EndpointForm
    stays = frozenset({"is_default"})
    edit_role = Membership.Role.OWNER
    empty_icon, empty_text = (
        "hub",
        _("An endpoint is the address of an LLM. The built-in model works without a key."),
    )
    list_display = (
        "name",
        "llm",
        "address",
        "key",
        "num_agents",
        "default",
        "health",
        "status",
    )
    change_form_outer_before_template = "orkesta/tools/endpoint.html"
    list_filter = ("is_active",)
    search_fields = ("name", "llm", "base_url")

    def get_fieldsets(self, request: HttpRequest, obj: LLMEndpoint | None = None) -> Any:
        if not self.has_change_permission(request, obj):
            facts = (
                ("name", "llm"),
                "embedding_llm",
                "base_url",
                "key",
                ("is_default", "is_active"),
            )
            return ((None, {"fields": facts}),)
        key = ("new_api_key", "forget_api_key") if obj and obj.sealed_api_key else "new_api_key"
        return (
            (None, {"fields": (("name", "llm"), "embedding_llm", ("is_default", "is_active"))}),
            (_("Address and key"), {"fields": ("base_url", key)}),
            (_("When it fails"), {"fields": (("timeout_seconds", "fallback"),)}),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[LLMEndpoint]:
        rows: QuerySet[LLMEndpoint] = super().get_queryset(request)
        return rows.annotate(agent_count=Count("agents"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.try_endpoint))
        address = path("<path:object_id>/try/", view, name="routing_llmendpoint_try")
        return [address, *super().get_urls()]

    def breaker_of(self, row: LLMEndpoint) -> str:
        return f"llm:{row.name}"

    def breakers_beside(self, row: LLMEndpoint) -> tuple[str, ...]:
        return (embedding_breaker_name(row.name),) if row.embedding_llm else ()

    def try_endpoint(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the LLM for one word, past the breaker: a fragment of the page."""
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        context: dict[str, Any] = {}
        started = perf_counter()
        try:
            context["completion"] = async_to_sync(_ask)(_target(row))
        except OrkestaError as exc:
            context["failure"] = exc
        context["milliseconds"] = (perf_counter() - started) * 1000
        return render(request, "orkesta/tools/endpoint_tried.html", context)

    def save_model(self, request: HttpRequest, obj: LLMEndpoint, form: Any, change: bool) -> None:
        form.seal_key()
        others = LLMEndpoint.objects.filter(is_default=True).exclude(pk=obj.pk)
        if not obj.is_default and not change and obj.is_active and not others.exists():
            obj.is_default = True
            self.message_user(request, _("It is your first endpoint, so it is the default too."))
        if obj.is_default and (previous := others.first()) is not None:
            # Before the save: the database allows one default at a time.
            previous.is_default = False
            previous.save(update_fields=["is_default"])
            record(AuditAction.CHANGED, previous, {"is_default": (True, False)})
            text = _("The default was “%(old)s”; it is “%(new)s” now.")
            self.message_user(request, text % {"old": previous, "new": obj}, messages.WARNING)
        super().save_model(request, obj, form, change)

    def kept_because(self, row: LLMEndpoint, going: list[LLMEndpoint]) -> str:
        """The default goes last: agents that name no endpoint would have none."""
        if not row.is_default or LLMEndpoint.objects.count() == len(going):
            return ""
        return gettext(
            "“%(endpoint)s” is the default: make another endpoint the default first."
        ) % {"endpoint": row.name}

    @display(description=_("address"))
    def address(self, endpoint: LLMEndpoint) -> str:
        is_offline = endpoint.base_url == OFFLINE_URL
        return str(_("built-in model")) if is_offline else _host(endpoint.base_url)

    @display(description=_("key"), empty_value="-")
    def key(self, endpoint: LLMEndpoint) -> str | None:
        return f"•••• {endpoint.api_key_hint}".strip() if endpoint.sealed_api_key else None

    @display(description=_("agents"))
    def num_agents(self, endpoint: Any) -> int:
        return int(endpoint.agent_count)

    @display(description=_("role"), label={"default": "primary"})
    def default(self, endpoint: LLMEndpoint) -> Any:
        return ("default", _("Default")) if endpoint.is_default else None

    @display(description=_("status"), label={"on": "success", "off": ""})
    def status(self, endpoint: LLMEndpoint) -> tuple[str, Any]:
        return ("on", _("Active")) if endpoint.is_active else ("off", _("Inactive"))


def _target(row: LLMEndpoint) -> LLMTarget:
    return LLMTarget(
        name=row.name,
        base_url=row.base_url,
        api_key=row.api_key,
        model=row.llm,
        timeout_seconds=min(row.timeout_seconds, MAX_TRIAL_SECONDS),
        tenant_id=str(row.tenant_id),
    )


async def _ask(target: LLMTarget) -> Completion:
    client = LLMClient(retry=RetryPolicy(attempts=1), policy=configured_policy())
    try:
        return await client.complete(target, _TRIAL)
    finally:
        await client.aclose()


def _host(url: str) -> str:
    """Scheme, name and port: a key given for one is not sent to another."""
    try:
        parts = urlsplit(url)
        return (
            f"{parts.scheme}://{parts.hostname}:{parts.port}"
            if parts.port
            else (f"{parts.scheme}://{parts.hostname or ''}")
        )
    except ValueError:
        return ""
