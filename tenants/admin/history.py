"""History pages: what a row of configuration was, who changed what, and the way back.

Going back shows the row's own form with the values of then. Saving it is a change like any other:
checked by the same form, written by the same `save_model`, told to the workers and to the log.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext

from tenants.admin.history_shown import Shown, changes_between, find_missing
from tenants.admin.pages import page_context
from tenants.audit import because
from tenants.history import DELETED, is_versioned
from tenants.models import Tenant
from tenants.scope import tenant_scope

PER_PAGE: Final = 25
#: The field in which a person may say why.
REASON_FIELD: Final = "_reason"


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A line of the history: a version, what it changed, and where it can be restored."""

    version: Any
    changes: list[Shown]
    is_current: bool
    url: str


class VersionedPages:
    """For admins of rows with a `history`; others keep Django's page."""

    #: Columns that stay as they are when an older version is restored: flags that one row of the
    #: tenant holds, and places in an order.
    stays: ClassVar[frozenset[str]] = frozenset()

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        page: Any = self
        if not is_versioned(page.model):
            return urls
        name = f"{page.opts.app_label}_{page.opts.model_name}_version"
        view = page.admin_site.admin_view(self.version_view)
        return [path("<path:object_id>/history/<uuid:history_id>/", view, name=name), *urls]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        row = super().get_object(request, object_id, from_field)  # type: ignore[misc]
        version = getattr(request, "shown_version", None)
        if row is not None and version is not None and request.method == "GET":
            self._put(request, row, version)
        return row

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        page: Any = self
        if not is_versioned(page.model):
            return super().history_view(request, object_id, extra_context)  # type: ignore[misc]
        row = page.get_object(request, object_id)
        if not page.has_view_or_change_permission(request, row):
            raise PermissionDenied
        with _scope_of(row):
            versions = Paginator(_versions_of(row), PER_PAGE).get_page(request.GET.get("p"))
            listed = list(self._listed(versions, row))
        context = {
            **page_context(page, request, gettext("History of “%(row)s”") % {"row": row}),
            "object": row,
            "app_label": page.opts.app_label,
            "module_name": capfirst(page.opts.verbose_name_plural),
            "listed": listed,
            "page": versions,
            "may_restore": page.has_change_permission(request, row),
            **(extra_context or {}),
        }
        return render(request, "orkesta/history/versions.html", context)

    def version_view(self, request: HttpRequest, object_id: str, history_id: UUID) -> HttpResponse:
        """The row's form with the values of a version; posted, it restores them."""
        page: Any = self
        row = page.get_object(request, object_id)
        if not page.has_view_or_change_permission(request, row):
            raise PermissionDenied
        with _scope_of(row):
            version = _versions_of(row).filter(pk=history_id).exclude(history_type=DELETED).first()
        if version is None:
            raise Http404
        request.shown_version = version  # type: ignore[attr-defined]
        context = {
            "title": gettext("Version %(number)d of “%(row)s”") % _named(version, row),
            "version": version,
            "reason_field": REASON_FIELD,
            "show_delete": False,
        }
        if request.method != "POST":
            return page.changeform_view(request, object_id, "", context)
        if not page.has_change_permission(request, row):
            raise PermissionDenied
        with because(_reason(request, version)):
            return page.changeform_view(request, object_id, "", context)

    def _listed(self, versions: Any, row: Any) -> Iterator[ListedVersion]:
        rows = list(versions)
        before = _versions_of(row).filter(number__lt=rows[-1].number).first() if rows else None
        newest = _versions_of(row).first()
        page: Any = self
        name = f"admin:{page.opts.app_label}_{page.opts.model_name}_version"
        for version, older in zip(rows, [*rows[1:], before], strict=True):
            changes = changes_between(older, version) if older is not None else []
            url = reverse(name, args=[row.pk, version.pk])
            yield ListedVersion(version, changes, version == newest, url)

    def _put(self, request: HttpRequest, row: Any, version: Any) -> None:
        """Give the row, which is only shown, the values of the version; what is gone cannot be."""
        missing = find_missing(version)
        for field in type(version).tracked_fields:
            is_kept = field.name in self.stays or field.primary_key or field.name == "tenant"
            if not is_kept and field.name not in missing:
                setattr(row, field.attname, getattr(version, field.attname))
        if missing:
            labels = [str(row._meta.get_field(name).verbose_name) for name in missing]
            text = gettext("What it pointed to then is gone: %(fields)s. Choose anew, or leave it.")
            messages.error(request, text % {"fields": ", ".join(labels)})


@contextmanager
def _scope_of(row: models.Model) -> Iterator[None]:
    """Of a tenant's own row: superusers look at it from anywhere."""
    with tenant_scope(row.pk) if isinstance(row, Tenant) else nullcontext():
        yield


def _versions_of(row: Any) -> Any:
    return row.history.order_by("-number")


def _named(version: Any, row: Any) -> dict[str, Any]:
    return {"number": version.number, "row": row}


def _reason(request: HttpRequest, version: Any) -> str:
    when = date_format(localtime(version.history_date), "SHORT_DATETIME_FORMAT")
    said = request.POST.get(REASON_FIELD, "").replace("\x00", "").strip()[:120]
    text = gettext("Restored version %(number)d of %(when)s")
    restored = text % {"number": version.number, "when": when}
    return f"{restored}: {said}" if said else restored
