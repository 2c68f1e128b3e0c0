"""MCP servers: where they are, and what they offer."""

import shlex
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from orkesta.errors import OrkestaError
from routing.admin.breakers import BreakerAdmin
from routing.admin.fields import LinesField
from routing.admin.secrets import SecretForm
from routing.admin.server_words import words_shown
from routing.models import McpServer, Tool
from routing.tool_models import ToolState
from routing.tools.commands import SETTING, allowed_commands
from routing.tools.offers import SyncReport, activate_tools
from routing.tools.server_words import approve_words
from routing.tools.syncing import sync_server
from tenants.models import Membership


class ServerForm(SecretForm):
    command = LinesField(
        label=_("Command"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "class": "ork-mono"}),
    )

    class Meta:
        model = McpServer
        fields: ClassVar = (
            "name",
            "slug",
            "transport",
            "url",
            "command",
            "secret_header",
            "timeout_seconds",
            "instructions",
            "is_active",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        command = self.fields.get("command")
        if command is not None:
            allowed = "; ".join(shlex.join(one) for one in allowed_commands()) or gettext("none")
            note = _("Of those that the operator allows (%(setting)s): %(allowed)s")
            command.help_text = note % {"setting": SETTING, "allowed": allowed}

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        if asked.get("transport", self.instance.transport) == McpServer.Transport.HTTP:
            if not asked.get("url") and "url" not in self.errors:
                self.add_error("url", forms.ValidationError(_("Write the address of the server.")))
        elif not asked.get("command"):
            self.add_error("command", forms.ValidationError(_("Write the command.")))
        return asked


@admin.register(McpServer)
class McpServerAdmin(BreakerAdmin):
    form = ServerForm
    edit_role = Membership.Role.OWNER
    empty_icon, empty_text = (
        "dns",
        _("An MCP server brings tools of its own: a catalogue, a calendar, a payment system."),
    )
    list_display = ("name", "address", "num_tools", "waiting", "health", "synced_at", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "slug", "url")
    prepopulated_fields = {"slug": ("name",)}
    change_form_outer_before_template = "orkesta/tools/server.html"
    conditional_fields = {
        "url": "transport == 'http'",
        "secret_header": "transport == 'http'",
        "new_secret": "transport == 'http'",
        "forget_secret": "transport == 'http'",
        "command": "transport == 'stdio'",
    }

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def get_fieldsets(self, request: HttpRequest, obj: McpServer | None = None) -> Any:
        if not self.has_change_permission(request, obj):
            return ((None, {"fields": ("name", "slug", "is_active")}),)
        has_secret = bool(obj and obj.sealed_secret)
        secret = ("new_secret", "forget_secret") if has_secret else "new_secret"
        where = ("transport", "url", "command", "secret_header", secret, "timeout_seconds")
        return (
            (None, {"fields": (("name", "slug"), "is_active")}),
            (_("Address and secret"), {"fields": where}),
            (_("Agents"), {"fields": ("instructions",)}),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[McpServer]:
        rows: QuerySet[McpServer] = super().get_queryset(request)
        return rows.annotate(tool_count=Count("tools"))

    def get_urls(self) -> list[URLPattern]:
        views = (("sync", self.sync), ("approve", self.approve))
        addresses = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(require_POST(view)),
                name=f"routing_mcpserver_{name}",
            )
            for name, view in views
        ]
        return [*addresses, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        tools = list(Tool.objects.filter(mcp_server=row))
        new = sum(tool.state is ToolState.INACTIVE for tool in tools)
        context = {"server_tools": tools, "new_tools": new, "words": words_shown(row)}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def save_model(self, request: HttpRequest, obj: McpServer, form: Any, change: bool) -> None:
        if isinstance(form, ServerForm):
            form.seal_secret()
        super().save_model(request, obj, form, change)

    def breaker_of(self, row: McpServer) -> str:
        return f"mcp:{row.slug}"

    def sync(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the server what it offers; with `activate`, switch on what is off instead."""
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if request.POST.get("activate"):
            number = activate_tools(server=row)
            text = gettext("Switched on: %d. Choose on the page of an agent which it may use.")
            self.message_user(request, text % number, messages.SUCCESS)
        else:
            self._sync(request, row)
        return HttpResponseRedirect(reverse("admin:routing_mcpserver_change", args=[row.pk]))

    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let agents be told what the server says of itself now, as the person has read it."""
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        try:
            approve_words(server=row, seen=request.POST.get("seen", ""))
            self.message_user(request, gettext("Agents are told the new text."), messages.SUCCESS)
        except OrkestaError as exc:
            self.message_user(request, exc.message, messages.ERROR)
        return HttpResponseRedirect(reverse("admin:routing_mcpserver_change", args=[row.pk]))

    def _sync(self, request: HttpRequest, row: McpServer) -> None:
        try:
            report = sync_server(server=row)
        except OrkestaError as exc:
            self.message_user(request, exc.message, messages.ERROR)
            return
        is_odd = report.changed or report.refused or report.has_new_words
        level = messages.WARNING if is_odd else messages.SUCCESS
        self.message_user(request, _told(report), level)

    @display(description=_("address"))
    def address(self, server: McpServer) -> str:
        is_command = server.transport == McpServer.Transport.STDIO
        return " ".join(map(str, server.command)) if is_command else server.url

    @display(description=_("tools"))
    def num_tools(self, server: Any) -> int:
        return int(server.tool_count)

    @display(description=_("sync"), label={"failed": "danger", "fine": "success", "never": ""})
    def waiting(self, server: McpServer) -> tuple[str, Any]:
        if server.sync_error:
            return "failed", _("Failed")
        return ("fine", _("Synced")) if server.synced_at else ("never", _("Never synced"))


def _told(report: SyncReport) -> str:
    """What a sync found, in a sentence."""
    text = gettext(
        "New: %(new)d, changed: %(changed)d, gone: %(gone)d, as before: %(same)d, unusable: "
        "%(refused)d."
    )
    counts = {
        "new": len(report.added),
        "changed": len(report.changed),
        "gone": len(report.missing),
        "same": len(report.unchanged),
        "refused": len(report.refused),
    }
    reasons = "; ".join(f"{name}: {reason}" for name, reason in report.refused[:3])
    return f"{text % counts} {reasons}".strip()
