"""The page of routing rules, with what only conversations know: what a draft of them would change
in the messages that came in last.
"""

from dataclasses import replace
from time import perf_counter
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from conversations.admin.undecided import add_example, rules_with_examples, undecided
from conversations.routing_history import NUM_REPLAYED, list_past_messages
from routing.admin.rules import RoutingRuleAdmin
from routing.models import Agent, RoutingRule
from routing.replay import Replay, replay
from routing.rules import RuleInvalid
from routing.selectors import has_embedding_model
from routing.snapshot import compile_rules
from tenants.admin.model_admin import refused_form
from tenants.admin_scope import FORM_FIELD, tenant_of
from tenants.models import Tenant

_TEMPLATE = "orkesta/routing/replayed.html"


class ReplayingRuleAdmin(RoutingRuleAdmin):
    """Replays the form as it stands, and the list in the order and with the switches it shows."""

    change_form_outer_after_template = "orkesta/routing/replay_form.html"

    def get_urls(self) -> list[URLPattern]:
        wrap, name = self.admin_site.admin_view, "routing_routingrule_replay"
        of_list, of_form = (
            wrap(require_POST(self.replay_list)),
            wrap(require_POST(self.replay_form)),
        )
        own = [
            path("replay/", of_list, name=name),
            path("replay/new/", of_form, name=f"{name}_new"),
            path("<uuid:rule_id>/replay/", of_form, name=f"{name}_form"),
            path("undecided/", wrap(self.undecided), name="routing_routingrule_undecided"),
            path(
                "examples/",
                wrap(require_POST(self.add_example)),
                name="routing_routingrule_add_example",
            ),
        ]
        return [*own, *super().get_urls()]

    def replay_list(self, request: HttpRequest) -> HttpResponse:
        """What the order and the switches of the list would change: a fragment of the page."""
        tenant = self._tenant(request)
        rows = {str(row.pk): row for row in _rows()}
        for number in range(len(rows)):
            row = rows.get(request.POST.get(f"form-{number}-id", ""))
            if row is not None:
                position = request.POST.get(f"form-{number}-position", "")
                row.position = int(position) if position.isdecimal() else row.position
                row.is_active = f"form-{number}-is_active" in request.POST
        return self._answer(request, tenant, list(rows.values()))

    def replay_form(self, request: HttpRequest, rule_id: UUID | None = None) -> HttpResponse:
        """What the rule, as its form stands, would change: a fragment of the page."""
        tenant = self._tenant(request)
        row = None if rule_id is None else self.get_object(request, str(rule_id))
        form_class = self.get_form(request, row, change=row is not None)
        form = form_class(request.POST, instance=row)
        if not form.is_valid():
            return render(request, _TEMPLATE, {"is_unfinished": True})
        drafted = form.instance
        others = [other for other in _rows() if other.pk != drafted.pk]
        if row is None:
            drafted.position = 1 + max((other.position for other in others), default=0)
        return self._answer(request, tenant, [*others, drafted])

    def undecided(self, request: HttpRequest) -> HttpResponse:
        """The last messages that no rule decided: a fragment of the page."""
        if tenant_of(request) is None or not self.has_view_permission(request):
            raise PermissionDenied
        names = dict(Agent.objects.values_list("slug", "name"))
        groups = undecided(list_past_messages(NUM_REPLAYED))
        for group in groups:
            group.names = sorted(names.get(slug, slug) for slug in group.agents)
        context = {
            "groups": groups,
            "rules": rules_with_examples(),
            "may_add": self.has_change_permission(request),
            "form_field": FORM_FIELD,
            "form_tenant": tenant_of(request),
        }
        return render(request, "orkesta/routing/undecided.html", context)

    def add_example(self, request: HttpRequest) -> HttpResponse:
        """Make a message an example of a rule: a fragment that says so."""
        self._tenant(request)
        refused = refused_form(request)
        if refused is not None:
            return refused
        context: dict[str, Any] = {}
        try:
            rule_id, text = UUID(request.POST.get("rule", "")), request.POST.get("text", "")
            context["rule"] = add_example(rule_id=rule_id, text=text)
        except RuleInvalid as exc:
            context["problem"] = str(exc)
        except (ValueError, RoutingRule.DoesNotExist):
            context["problem"] = _("The rule is not there any more.")
        return render(request, "orkesta/routing/example_added.html", context)

    def _tenant(self, request: HttpRequest) -> Tenant:
        tenant = tenant_of(request)
        if tenant is None or not self.has_change_permission(request):
            raise PermissionDenied
        return tenant

    def _answer(
        self, request: HttpRequest, tenant: Tenant, drafted: list[RoutingRule]
    ) -> HttpResponse:
        started = perf_counter()
        found = _replayed(tenant, drafted)
        names = dict(Agent.objects.values_list("slug", "name"))
        context = {
            "found": found,
            "changes": [_named(change, names) for change in found.changes],
            "milliseconds": (perf_counter() - started) * 1000,
        }
        return render(request, _TEMPLATE, context)


def _rows() -> list[RoutingRule]:
    return list(RoutingRule.objects.select_related("agent"))


def _replayed(tenant: Tenant, drafted: list[RoutingRule]) -> Replay:
    drafted.sort(key=lambda row: (row.position, row.created_at))
    return replay(
        list_past_messages(NUM_REPLAYED),
        now=compile_rules(_rows()),
        draft=compile_rules(drafted),
        zone=ZoneInfo(tenant.time_zone),
        can_embed=has_embedding_model(),
    )


def _named(change: Any, names: dict[str, str]) -> Any:
    """The change with the names of agents in the place of their slugs."""
    sides = {
        side: replace(verdict, agent_slug=names.get(verdict.agent_slug, verdict.agent_slug))
        for side, verdict in (("before", change.before), ("after", change.after))
    }
    return replace(change, **sides)


admin.site.unregister(RoutingRule)
admin.site.register(RoutingRule, ReplayingRuleAdmin)
