"""The audit logs, a tenant's for its owners and the installation's for superusers: read, filtered,
taken along as CSV; never changed.
"""

import csv
import io
from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from orkesta.api.renderer import to_json
from orkesta.spreadsheet import safe_cell
from tenants.admin.businesses import SuperuserAdmin
from tenants.admin.history_shown import NOTHING
from tenants.admin.model_admin import HistoryAdmin
from tenants.admin_scope import tenant_of
from tenants.audit_models import AuditEntry, AuditRow, InstallationEntry
from tenants.models import Membership

COLUMNS: Final = (
    "seq",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "object_name",
    "changes",
    "reason",
    "request_id",
    "address",
    "chain",
)
MAX_EXPORTED: Final = 100_000


class AuditPages:
    """How both logs are shown, and taken along."""

    empty_icon = "history"
    list_display = ("at", "actor_name", "action", "object_name", "actor_kind", "address")
    list_filter = ("action", "actor_kind")
    search_fields = ("actor_name", "object_name", "object_id", "request_id")
    ordering = ("-seq",)
    actions_list = ("export",)
    fieldsets = (
        (
            None,
            {"fields": (("seq", "at"), ("actor_name", "actor_kind"), ("action", "object_name"))},
        ),
        (_("changes"), {"fields": ("reason", "shown_changes")}),
        (None, {"fields": (("shown_type", "shown_id"), ("request_id", "address"), "chain")}),
    )
    readonly_fields = ("shown_changes", "shown_type", "shown_id")

    def has_export_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        page: Any = self
        return bool(page.has_view_permission(request))

    @action(description=_("Export as CSV"), icon="download", permissions=["export"])
    def export(self, request: HttpRequest) -> HttpResponse:
        page: Any = self
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for row in page.model.objects.order_by("seq")[:MAX_EXPORTED].iterator():
            writer.writerow([_cell(getattr(row, column)) for column in COLUMNS])
        response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
        name = f"audit-{self.log_name(request)}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def log_name(self, request: HttpRequest) -> str:
        return "installation"

    @display(description=_("changes"))
    def shown_changes(self, entry: AuditRow) -> SafeString | str:
        rows = [
            (_label(entry.object_type, name), *map(_words, pair))
            for name, pair in entry.changes.items()
        ]
        return format_html_join("\n", "<p><b>{}</b>: {} → {}</p>", rows) or "-"

    @display(description=_("kind"))
    def shown_type(self, entry: AuditRow) -> str:
        model = _model(entry.object_type)
        return f"{model._meta.verbose_name} ({entry.object_type})" if model else entry.object_type

    @display(description=_("its id"))
    def shown_id(self, entry: AuditRow) -> str:
        return entry.object_id


@admin.register(AuditEntry)
class AuditAdmin(AuditPages, HistoryAdmin):
    view_role = Membership.Role.OWNER
    empty_text = _("Whatever somebody changes here from now on is kept in this log.")

    def log_name(self, request: HttpRequest) -> str:
        tenant = tenant_of(request)
        return tenant.slug if tenant else ""


@admin.register(InstallationEntry)
class InstallationAuditAdmin(AuditPages, SuperuserAdmin):
    empty_text = _("Acts on tiers and on people are kept in this log.")
    paginator = InfinitePaginator
    show_full_result_count = False
    actions: Any = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _model(name: str) -> type[Model] | None:
    """None where a kind has been given up since, or never was a model."""
    try:
        return apps.get_model(name)
    except (LookupError, ValueError):
        return None


def _label(kind: str, column: str) -> str:
    """What the form calls it; its own name where there is no such column (any more)."""
    model = _model(kind)
    try:
        return capfirst(str(model._meta.get_field(column).verbose_name)) if model else column  # type: ignore[union-attr]
    except FieldDoesNotExist:
        return column


def _words(value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return NOTHING
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return to_json(value).decode() if isinstance(value, list | dict) else str(value)


def _cell(value: Any) -> str:
    text = to_json(value).decode() if isinstance(value, dict) else str(value or "")
    return safe_cell(text)
