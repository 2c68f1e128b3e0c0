"""Agents: who answers, and which one does when nobody else was decided on."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from orkesta.webhook_signing import make_secret
from prompts.models import Prompt, PromptVersion
from routing.admin.breakers import BreakerAdmin
from routing.admin.fields import LinesField
from routing.guarding import agent_breaker
from routing.models import Agent, AgentTool, LLMEndpoint, Tool
from routing.polite import polite_answer
from tenants.admin.forms import TenantModelForm
from tenants.allowances import allowance_of
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.models import Tenant
from tenants.selectors import get_tenant


class AgentForm(TenantModelForm):
    moving_flags = frozenset({"is_fallback"})

    intents = LinesField(
        label=_("Intents"),
        required=False,
        help_text=_("Names of what it can be asked for, one per line: precio, existencias."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    description = forms.CharField(
        label=_("What it is for"),
        max_length=2000,
        help_text=_("The supervisor reads this when no rule decides who answers."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    tools = forms.ModelMultipleChoiceField(
        label=_("Tools"),
        queryset=Tool.objects.none(),
        required=False,
        help_text=_("What the agent may do. One that waits for approval is not offered to it."),
        widget=UnfoldAdminSelect2MultipleWidget,
    )

    new_webhook_secret = forms.BooleanField(
        label=_("Make a new secret"),
        required=False,
        help_text=_(
            "Requests are signed with it. It is shown once, when you save; a webhook agent that has"
            " none gets one."
        ),
        widget=UnfoldBooleanSwitchWidget,
    )

    class Meta:
        model = Agent
        fields: ClassVar = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "prompt" in self.fields:
            prompts: Any = self.fields["prompt"]
            prompts.queryset = prompts.queryset.filter(kind=Prompt.Kind.PROMPT)
        if "tools" in self.fields:
            tools: Any = self.fields["tools"]
            tools.queryset = Tool.objects.order_by("name")
            tools.initial = list(self._chosen_tools().values_list("tool_id", flat=True))
        if "failure_answer" in self.fields and self.instance.failure_answer is None:
            tenant = get_tenant(self.instance.tenant_id)
            self.initial["failure_answer"] = polite_answer(tenant.language)

    def _chosen_tools(self) -> QuerySet[AgentTool]:
        return AgentTool.objects.filter(agent_id=self.instance.pk)

    def store_tools(self) -> None:
        """Give the agent, which is saved, the tools that were chosen, and no others."""
        if "tools" not in self.cleaned_data:
            return
        wanted = {tool.pk: tool for tool in self.cleaned_data["tools"]}
        self._chosen_tools().exclude(tool_id__in=wanted).delete()
        present = set(self._chosen_tools().values_list("tool_id", flat=True))
        for pk in wanted.keys() - present:
            AgentTool.objects.create(agent=self.instance, tool=wanted[pk])

    def make_webhook_secret(self) -> str:
        """Put a new secret into the row, which is not saved yet, if one is wanted or missing."""
        agent, is_asked = self.instance, self.cleaned_data.get("new_webhook_secret")
        if agent.kind != Agent.Kind.WEBHOOK or not (is_asked or not agent.sealed_webhook_secret):
            return ""
        secret = make_secret()
        agent.set_webhook_secret(secret)
        self.also_stored |= {"sealed_webhook_secret"}
        return secret

    def clean(self) -> dict[str, Any]:
        self._check_room()
        asked = super().clean() or {}
        is_fallback, is_active = asked.get("is_fallback"), asked.get("is_active")
        if is_fallback and not is_active:
            self.add_error("is_active", _("The fallback has to be active: it is the last resort."))
        if self.instance.is_fallback and not is_fallback and "is_fallback" in self.changed_data:
            error = ValidationError(
                _("Make another agent the fallback; this one then ceases to be it."),
                code="no_fallback",
            )
            self.add_error("is_fallback", error)
        return asked

    def _check_room(self) -> None:
        """A tier may limit how many agents there are."""
        if not self.instance._state.adding:
            return
        limit = allowance_of(self.instance.tenant_id).max_agents
        if limit is None:
            return
        # Two people at once must not both be the last: one waits until the other has saved.
        list(Tenant.objects.select_for_update(no_key=True).filter(pk=self.instance.tenant_id))
        if Agent.objects.count() >= limit:
            raise ValidationError(
                _("Your tier allows %(limit)d agents."), code="limit", params={"limit": limit}
            )


class AgentRowForm(TenantModelForm):
    """The switch in the list."""

    def clean_is_active(self) -> bool:
        is_active = bool(self.cleaned_data["is_active"])
        if self.instance.is_fallback and not is_active:
            raise ValidationError(
                _("The fallback has to be active: it is the last resort."), code="fallback"
            )
        return is_active


@admin.register(Agent)
class AgentAdmin(BreakerAdmin):
    form = AgentForm
    change_form_outer_before_template = "orkesta/tools/breaker.html"
    stays = frozenset({"is_fallback"})
    empty_icon, empty_text = (
        "smart_toy",
        _("An agent answers customers: it has a prompt, and an LLM to speak with."),
    )
    list_display = (
        "named",
        "short_kind",
        "live_version",
        "speaks_with",
        "health",
        "fallback",
        "is_active",
    )
    list_display_links = ("named",)
    list_editable = ("is_active",)
    list_filter = ("is_active", "kind", "llm_endpoint")
    list_select_related = ("prompt", "llm_endpoint")
    search_fields = ("name", "slug", "description")
    prepopulated_fields = {"slug": ("name",)}
    fieldsets = (
        (
            _("General"),
            {
                "classes": ["tab"],
                "fields": (
                    ("name", "slug"),
                    "description",
                    "intents",
                    ("is_active", "is_fallback"),
                ),
            },
        ),
        (
            _("LLM"),
            {
                "classes": ["tab"],
                "fields": (("kind", "prompt"), ("llm_endpoint", "llm"), "temperature"),
            },
        ),
        (
            _("Webhook"),
            {
                "classes": ["tab"],
                "fields": ("webhook_url", "new_webhook_secret"),
            },
        ),
        (
            _("Tools"),
            {
                "classes": ["tab"],
                "fields": ("mcp_server", "tools"),
            },
        ),
        (
            _("Limits"),
            {
                "classes": ["tab"],
                "fields": (
                    ("max_steps", "max_tokens_per_step"),
                    ("max_task_tokens", "max_task_seconds"),
                    ("history_turns", "while_busy"),
                ),
            },
        ),
        (
            _("When it fails"),
            {
                "classes": ["tab"],
                "fields": (("timeout_seconds", "max_retries"), "failure_answer"),
            },
        ),
        (
            _("People and handoffs"),
            {
                "classes": ["tab"],
                "fields": (("may_ask_human", "answer_hours"), "may_hand_off"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        published = PromptVersion.objects.filter(
            prompt=OuterRef("prompt"), status=PromptVersion.Status.PUBLISHED
        )
        default = LLMEndpoint.objects.filter(is_default=True)
        rows: QuerySet[Agent] = super().get_queryset(request)
        # Subqueries, because a join on versions would multiply the agents.
        return rows.annotate(
            live_number=Subquery(published.values("number")[:1]),
            endpoint_name=Coalesce(
                Case(When(llm_endpoint__is_active=True, then="llm_endpoint__name")),
                Subquery(default.values("name")[:1]),
                Value(""),
                output_field=CharField(),
            ),
        )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The first agent of a tenant is offered as its fallback."""
        return {"is_fallback": not Agent.objects.filter(is_fallback=True).exists()}

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, form=AgentRowForm, **kwargs)

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        others = Agent.objects.filter(is_fallback=True).exclude(pk=obj.pk)
        if not change and obj.is_active and not obj.is_fallback and not others.exists():
            obj.is_fallback = True
            self.message_user(request, _("It is your first agent, so it is the fallback too."))
        if obj.is_fallback and (previous := others.first()) is not None:
            # Before the save: the database allows one fallback at a time.
            previous.is_fallback = False
            previous.save(update_fields=["is_fallback"])
            record(AuditAction.CHANGED, previous, {"is_fallback": (True, False)})
            text = _("The fallback was “%(old)s”; it is “%(new)s” now.")
            self.message_user(request, text % {"old": previous, "new": obj}, messages.WARNING)
        secret = form.make_webhook_secret() if isinstance(form, AgentForm) else ""
        super().save_model(request, obj, form, change)
        if isinstance(form, AgentForm):
            form.store_tools()
        if secret:
            text = _("The secret of its webhook, shown only now: %(secret)s")
            self.message_user(request, text % {"secret": secret}, messages.WARNING)

    def kept_because(self, row: Agent, going: list[Agent]) -> str:
        """The fallback goes last: without one, a message that nobody claims has no answer."""
        if not row.is_fallback or Agent.objects.count() == len(going):
            return ""
        return gettext("“%(agent)s” is the fallback: make another agent the fallback first.") % {
            "agent": row.name
        }

    def breaker_of(self, row: Agent) -> str:
        return agent_breaker(row.slug)

    @display(description=_("agent"), header=True, ordering="name")
    def named(self, agent: Agent) -> list[str]:
        return [agent.name, agent.slug, agent.name[:2]]

    @display(description=_("kind"), ordering="kind")
    def short_kind(self, agent: Agent) -> str:
        return agent.get_kind_display().split(":")[0]

    @display(description=_("live prompt"))
    def live_version(self, agent: Any) -> str:
        if agent.prompt_id is None:
            return "-"
        number = agent.live_number
        return format_html(
            '<a class="ork-link" href="{}">{}</a> <span class="ork-chip{}">{}</span>',
            reverse("admin:prompts_prompt_change", args=[agent.prompt_id]),
            agent.prompt,
            "" if number else " ork-chip-bad",
            f"v{number}" if number else _("nothing published"),
        )

    @display(description=_("LLM"))
    def speaks_with(self, agent: Any) -> str:
        if agent.kind == Agent.Kind.WEBHOOK:
            return urlsplit(agent.webhook_url).hostname or gettext("no endpoint")
        return agent.endpoint_name or gettext("no endpoint")

    @display(description=_("role"), label={"fallback": "primary"})
    def fallback(self, agent: Agent) -> Any:
        return ("fallback", _("Fallback")) if agent.is_fallback else None
