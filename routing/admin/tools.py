"""Tools: what agents can do, tried by hand, and let out of quarantine by who has looked."""

from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import action, display

from orkesta.errors import OrkestaError
from orkesta.ids import uuid7
from prompts.diff import TextDiff, diff_texts
from routing.admin.breakers import BreakerAdmin
from routing.admin.tool_form import ToolForm
from routing.admin.tool_import import ToolImportPage
from routing.admin.trying import ArgumentsForm
from routing.models import Tool
from routing.tools.building import build_tool
from routing.tools.offers import approve_offer
from routing.tools.running import check_arguments
from routing.tools.syncing import run_once
from routing.tools.values import ToolContext, ToolKind
from tenants.admin_scope import tenant_of

_HTTP_ONLY = "kind == 'http'"


@admin.register(Tool)
class ToolAdmin(BreakerAdmin):
    form = ToolForm
    empty_icon, empty_text = (
        "build",
        _("With tools an agent can do things: look up stock, quote, place an order."),
    )
    actions_list = ("import_openapi",)
    list_display = ("named", "kind", "risk", "status", "health", "num_agents", "is_active")
    list_editable = ("is_active",)
    list_display_links = ("named",)
    list_filter = ("kind", "risk", "is_quarantined", "mcp_server")
    list_select_related = ("mcp_server",)
    search_fields = ("name", "title", "description")
    change_form_outer_before_template = "orkesta/tools/before.html"
    change_form_outer_after_template = "orkesta/tools/try.html"
    conditional_fields = {
        "builtin": "kind == 'builtin'",
        "parameters": _HTTP_ONLY,
        "method": _HTTP_ONLY,
        "url": _HTTP_ONLY,
        "places": _HTTP_ONLY,
        "body_format": _HTTP_ONLY,
        "headers": _HTTP_ONLY,
        "status_url": _HTTP_ONLY,
        "secret_header": _HTTP_ONLY,
        "new_secret": _HTTP_ONLY,
        "forget_secret": _HTTP_ONLY,
    }

    def get_fieldsets(self, request: HttpRequest, obj: Tool | None = None) -> Any:
        rules = (_("Rules"), {"fields": (("risk", "recovery"), ("timeout_seconds", "is_active"))})
        if obj and obj.kind == ToolKind.MCP:
            told = ("name", "title", "shown_description", "shown_parameters")
            return ((None, {"fields": told}), rules)
        if not self.has_change_permission(request, obj):
            return ((None, {"fields": ("name", "title", "description", "kind", "risk")}),)
        has_secret = bool(obj and obj.sealed_secret)
        secret = ("new_secret", "forget_secret") if has_secret else "new_secret"
        request_fields = (
            ("method", "body_format"),
            "url",
            "parameters",
            "places",
            "headers",
            "secret_header",
            secret,
            "status_url",
        )
        return (
            (None, {"fields": (("name", "title"), ("kind", "builtin"), "description")}),
            (_("Request"), {"fields": request_fields}),
            rules,
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Tool | None = None) -> Any:
        is_mcp = obj is not None and obj.kind == ToolKind.MCP
        return ("name", "shown_description", "shown_parameters") if is_mcp else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tool]:
        rows: QuerySet[Tool] = super().get_queryset(request)
        return rows.annotate(agent_count=Count("agent_tools"))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "<path:object_id>/try/", wrap(require_POST(self.try_tool)), name="routing_tool_try"
            ),
            path(
                "<path:object_id>/approve/",
                wrap(require_POST(self.approve)),
                name="routing_tool_approve",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = {"arguments": ArgumentsForm(row.parameters), "changes": _changes(row)}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def save_model(self, request: HttpRequest, obj: Tool, form: Any, change: bool) -> None:
        if isinstance(form, ToolForm):
            form.seal_secret()
        super().save_model(request, obj, form, change)

    def breaker_of(self, row: Tool) -> str:
        if row.kind == ToolKind.MCP and row.mcp_server:
            return f"mcp:{row.mcp_server.slug}"
        return f"tool:{urlsplit(row.url).netloc.lower()}" if row.kind == ToolKind.HTTP else ""

    @action(description=_("Import an OpenAPI document"), url_path="import", permissions=["add"])
    def import_openapi(self, request: HttpRequest) -> HttpResponse:
        return ToolImportPage(self)(request)

    def try_tool(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Call the tool with what was typed: a fragment of the page, nothing is stored."""
        row, tenant = self.get_object(request, object_id), tenant_of(request)
        if tenant is None or not self.has_change_permission(request, row):
            raise PermissionDenied
        form = ArgumentsForm(row.parameters, request.POST)
        context: dict[str, Any] = {"arguments": form}
        if form.is_valid():
            started = perf_counter()
            try:
                tool = build_tool(row, tenant.time_zone)
                arguments = check_arguments(tool, form.arguments)
                call = _hand_call(tenant.id)
                context["result"] = run_once(tool=tool, arguments=arguments, context=call)
            except OrkestaError as exc:
                context["failure"] = exc
            context["milliseconds"] = (perf_counter() - started) * 1000
        return render(request, "orkesta/tools/tried.html", context)

    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        try:
            approve_offer(tool=row)
            self.message_user(request, _("Agents have the new version now."), messages.SUCCESS)
        except OrkestaError as exc:
            self.message_user(request, exc.message, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:routing_tool_change", args=[row.pk]))

    @display(description=_("tool"), header=True, ordering="name")
    def named(self, tool: Tool) -> list[str]:
        return [tool.title or tool.name, tool.name]

    @display(
        description=_("state"),
        label={"active": "success", "inactive": "", "quarantined": "warning", "missing": "danger"},
    )
    def status(self, tool: Tool) -> tuple[str, Any]:
        return tool.state.value, tool.state.label

    @display(description=_("agents"))
    def num_agents(self, tool: Any) -> int:
        return int(tool.agent_count)

    @display(description=_("Description"))
    def shown_description(self, tool: Tool) -> str:
        return tool.description

    @display(description=_("Parameters"))
    def shown_parameters(self, tool: Tool) -> str:
        return format_html('<pre class="ork-mono">{}</pre>', _pretty(tool.parameters))


def _hand_call(tenant_id: Any) -> ToolContext:
    """A call that belongs to no task."""
    nobody = uuid7()
    return ToolContext(tenant_id, nobody, nobody, "", "", f"hand:{nobody}")


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _changes(row: Tool) -> TextDiff | None:
    """The approved version against the offered one, for a tool in quarantine."""
    if not row.is_quarantined or not row.offered:
        return None
    before = f"{row.description}\n\n{_pretty(row.parameters)}"
    after = f"{row.offered['description']}\n\n{_pretty(row.offered['parameters'])}"
    return diff_texts(before, after)
