"""Routing rules: an ordered list with a tester on top, and a form that asks for words, not JSON."""

from time import perf_counter
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from routing.admin.fields import LinesField
from routing.models import Agent, RoutingRule
from routing.rules import (
    MAX_KEYWORDS,
    RoutableMessage,
    Rule,
    RuleInvalid,
    Trial,
    compile_condition,
    try_all,
)
from tenants.admin.forms import TenantModelForm
from tenants.admin.model_admin import TenantModelAdmin

MAX_TRIED_CHARS: Final = 2000


class RuleForm(TenantModelForm):
    keywords = LinesField(
        label=_("Keywords"),
        required=False,
        help_text=_("One word or phrase per line. Case, accents and plurals do not matter."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "placeholder": "precio\ncotizar"}),
    )
    pattern = forms.CharField(
        label=_("Regular expression"),
        required=False,
        strip=False,
        help_text=_("RE2, case does not matter: no look-around and no back-references."),
        widget=UnfoldAdminTextInputWidget(
            attrs={"class": "ork-mono", "placeholder": r"\bpedido\s+\d+", "spellcheck": "false"}
        ),
    )

    class Meta:
        model = RoutingRule
        fields: ClassVar = ("name", "kind", "intent", "agent", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        condition = self.instance.condition or {}
        self.initial.setdefault("keywords", condition.get("any", []))
        self.initial.setdefault("pattern", condition.get("pattern", ""))

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        is_keyword = asked.get("kind") == RoutingRule.Kind.KEYWORD
        field, name = ("keywords", "any") if is_keyword else ("pattern", "pattern")
        value = asked.get(field) or ([] if is_keyword else "")
        self.instance.condition = {name: value}
        self.also_stored.add("condition")
        try:
            compile_condition(asked.get("kind", ""), self.instance.condition)
        except RuleInvalid as exc:
            self.add_error(field, ValidationError(_refusal(value) or exc.message, code=exc.code))
        return asked

    def _update_errors(self, errors: ValidationError) -> None:
        # Model.clean() looks at the condition too; it has been said beside its field already.
        found = errors.update_error_dict({})
        found.pop("condition", None)
        super()._update_errors(ValidationError(found))


@admin.register(RoutingRule)
class RoutingRuleAdmin(TenantModelAdmin):
    form = RuleForm
    empty_icon, empty_text = (
        "alt_route",
        _("Rules decide at once and for free who answers; only where none does, the LLM is asked."),
    )
    list_display = ("name", "kind", "condition_summary", "agent_name", "intent", "is_active")
    list_editable = ("is_active",)
    list_filter = ("kind", "is_active", "agent")
    list_select_related = ("agent",)
    search_fields = ("name", "intent")
    # Dragging numbers the rows of one page, so all of them have to be on it.
    list_per_page = 300
    ordering = ("position", "created_at")
    ordering_field = "position"
    hide_ordering_field = True
    list_before_template = "orkesta/routing/tester.html"
    conditional_fields = {"keywords": "kind == 'keyword'", "pattern": "kind == 'regex'"}
    fieldsets = (
        (None, {"fields": (("name", "is_active"),)}),
        (_("When the message…"), {"fields": ("kind", "keywords", "pattern")}),
        (_("…it goes to"), {"fields": (("agent", "intent"),)}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.try_message))
        return [path("try/", view, name="routing_routingrule_try"), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: RoutingRule, form: Any, change: bool) -> None:
        if not change:
            last = RoutingRule.objects.aggregate(Max("position"))["position__max"]
            obj.position = 0 if last is None else last + 1
        super().save_model(request, obj, form, change)

    def try_message(self, request: HttpRequest) -> HttpResponse:
        """What every rule says of a message: a fragment of the page, nothing is stored."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = request.POST.get("message", "")[:MAX_TRIED_CHARS]
        started = perf_counter()
        trials = try_rules(text) if text.strip() else []
        winner = next((trial for trial in trials if trial.reason is not None), None)
        fallback = Agent.objects.filter(is_fallback=True).first() if trials and not winner else None
        context = {
            "text": text,
            "trials": trials,
            "winner": winner,
            "fallback": fallback,
            "milliseconds": (perf_counter() - started) * 1000,
        }
        return render(request, "orkesta/routing/tried.html", context)

    @display(description=_("condition"))
    def condition_summary(self, rule: RoutingRule) -> str:
        summary = rule.summary
        return f"{summary[:79]}…" if len(summary) > 80 else summary

    @display(description=_("agent"), ordering="agent__name")
    def agent_name(self, rule: RoutingRule) -> str:
        return rule.agent.name


def _refusal(value: list[str] | str) -> Any:
    """Why the commonest mistakes are refused, in the language of the page."""
    if isinstance(value, str):
        return None if value else _("Write a regular expression.")
    if not value:
        return _("Write at least one keyword.")
    return _("These are too many keywords for one rule.") if len(value) > MAX_KEYWORDS else None


def try_rules(text: str) -> list[Trial]:
    """The active rules of the tenant in order, each with its reason or None."""
    rows = RoutingRule.objects.filter(is_active=True, agent__is_active=True)
    rules = []
    for row in rows.select_related("agent").order_by("position", "created_at"):
        try:
            condition = compile_condition(row.kind, row.condition)
        except RuleInvalid:
            continue
        rules.append(Rule(str(row.pk), row.name, condition, row.agent.name, row.intent))
    return try_all(rules, RoutableMessage.of(text))
