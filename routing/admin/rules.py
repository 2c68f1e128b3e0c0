"""Routing rules: an ordered list with a tester on top, and how often each of them decides."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from routing.admin.hours_field import hours_lines
from routing.admin.reasons import spoken_cause
from routing.admin.rule_form import FIELDS, OPERATORS, RuleForm
from routing.admin.rule_tester import TesterForm
from routing.models import RoutingRule, RuleDay
from routing.rehearsal import Rehearsal
from routing.rules.values import Trial
from tenants.admin.model_admin import TenantModelAdmin
from tenants.admin_scope import tenant_of

#: A rule that decided on nothing for so long is shown as idle.
DAYS_COUNTED: Final = 30
SESSION_WORDS: Final = {
    "min_turns": _("Turns before it, at least"),
    "max_turns": _("Turns before it, at most"),
    "agents": _("Agents that have the conversation"),
    "min_idle_minutes": _("Minutes of silence, at least"),
}


@admin.register(RoutingRule)
class RoutingRuleAdmin(TenantModelAdmin):
    form = RuleForm
    empty_icon, empty_text = (
        "alt_route",
        _("Rules decide at once and for free who answers; only where none does, the LLM is asked."),
    )
    list_display = (
        "name",
        "kind",
        "condition_summary",
        "agent_name",
        "intent",
        "hits",
        "is_active",
    )
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
    conditional_fields = {
        name: f"kind == '{kind}'" for kind, names in FIELDS.items() for name in names
    }
    fieldsets = (
        (None, {"fields": (("name", "is_active"),)}),
        (
            _("When the message…"),
            {"fields": ("kind", *(name for names in FIELDS.values() for name in names))},
        ),
        (_("…it goes to"), {"fields": (("agent", "intent"),)}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.try_message))
        return [path("try/", view, name="routing_routingrule_try"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RoutingRule]:
        since = timezone.now().date() - timedelta(days=DAYS_COUNTED)
        days = RuleDay.objects.filter(rule=OuterRef("pk"), day__gt=since).order_by()
        hits = days.values("rule").annotate(sum=Sum("num_hits")).values("sum")
        rows: QuerySet[RoutingRule] = super().get_queryset(request)
        return rows.annotate(num_hits=Coalesce(Subquery(hits), 0))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"tester": TesterForm(), **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: RoutingRule, form: Any, change: bool) -> None:
        if not change:
            last = RoutingRule.objects.aggregate(Max("position"))["position__max"]
            obj.position = 0 if last is None else last + 1
        super().save_model(request, obj, form, change)

    def try_message(self, request: HttpRequest) -> HttpResponse:
        """What every rule says of a message: a fragment of the page, nothing is stored."""
        tenant = tenant_of(request)
        if tenant is None or not self.has_view_permission(request):
            raise PermissionDenied
        form = TesterForm(request.POST)
        if not form.is_valid():
            return render(request, "orkesta/routing/tried.html", {"errors": form.errors})
        found = form.rehearse(tenant) if form.cleaned_data["message"] else None
        shown = {"found": found, "causes": _causes(found)}
        return render(request, "orkesta/routing/tried.html", shown)

    @display(description=_("condition"))
    def condition_summary(self, rule: RoutingRule) -> str:
        summary = _told(rule)
        return f"{summary[:79]}…" if len(summary) > 80 else summary

    @display(description=_("agent"), ordering="agent__name")
    def agent_name(self, rule: RoutingRule) -> str:
        return rule.agent.name

    @display(description=_("in 30 days"), ordering="num_hits")
    def hits(self, rule: Any) -> str:
        if rule.num_hits:
            return f"{rule.num_hits:,}".replace(",", " ")
        return format_html('<span class="ork-chip ork-chip-won">{}</span>', _("never"))


def _causes(found: Rehearsal | None) -> list[tuple[Trial, str]]:
    """Every trial, with what its rule saw in the language of the page."""
    trials = found.trials if found else ()
    return [(trial, spoken_cause(trial.reason or "")) for trial in trials]


def _told(rule: RoutingRule) -> str:
    """The condition in a few words, in the language of the page."""
    condition = rule.condition if isinstance(rule.condition, dict) else {}
    if rule.kind == RoutingRule.Kind.TIME:
        hours = "; ".join(hours_lines(condition.get("windows")))
        return _("outside of %s") % hours if condition.get("outside") else hours
    operator = condition.get("operator")
    if rule.kind == RoutingRule.Kind.CONTEXT and isinstance(operator, str):
        said = str(OPERATORS.get(operator, operator))
        return rule.summary.replace(operator.replace("_", " "), said, 1)
    if rule.kind == RoutingRule.Kind.SESSION:
        return "; ".join(_session_words(condition))
    return rule.summary


def _session_words(condition: Mapping[str, Any]) -> Iterator[str]:
    if "is_first_message" in condition:
        yield str(
            _("The first of a conversation")
            if condition["is_first_message"]
            else _("Not the first")
        )
    for key, label in SESSION_WORDS.items():
        if key in condition:
            value = condition[key]
            said = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{label}: {said}"
