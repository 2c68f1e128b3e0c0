"""The two bases of every page of the admin: `GuardedModelAdmin`, and `TenantModelAdmin` over it.

Django's own ModelAdmin trusts all staff alike. Registered as it is, a tenant's staff could list,
filter by and link to what is not theirs; a guard test allows no class but these.
"""

from itertools import chain
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets, SimpleListFilter
from django.contrib.admin.utils import NestedObjects
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from tenants.admin.forms import TenantModelForm
from tenants.admin.history import VersionedPages
from tenants.admin_scope import Role, has_role, is_form_of_other_tenant, tenant_of
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.scope import TenantModel, current_tenant_id
from tenants.services import touch_configuration

#: What list filters may ask of a column. Anything else could be used to guess hidden values.
_FILTER_LOOKUPS = ("__exact", "__id__exact", "__isnull", "__gte", "__lt")


class GuardedModelAdmin(VersionedPages, ModelAdmin):
    """Lists are short and filtered only by what they offer; what is absent is a 404."""

    #: What an empty list says, and its picture: a name of Material Symbols.
    empty_text: ClassVar[Any] = ""
    empty_icon: ClassVar[str] = "inbox"
    list_per_page = 25
    list_max_show_all = 0
    show_facets = ShowFacets.NEVER
    view_on_site = False
    list_filter_submit = False
    compressed_fields = True
    warn_unsaved_form = True

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only the parameters of this list's own filters: never `__regex`, never another column."""
        return lookup in self._allowed_lookups()

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Rows are pointed to by their ids alone. Django's own looks at any name of the model, and
        fails over those of relations to it.
        """
        return to_field == self.opts.pk.name

    def get_ordering(self, request: HttpRequest) -> Any:
        """Always one, the same as lists have by default: pages of choices must not overlap."""
        return super().get_ordering(request) or self.opts.ordering or ("-pk",)

    def _allowed_lookups(self) -> set[str]:
        allowed: set[str] = set()
        for item in self.list_filter:
            if isinstance(item, type) and issubclass(item, SimpleListFilter):
                allowed.add(str(item.parameter_name))
                continue
            name = item[0] if isinstance(item, tuple | list) else item
            allowed.update(f"{name}{lookup}" for lookup in _FILTER_LOOKUPS)
        return allowed

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """The row with this id; 404 when it is absent, which is also what another tenant's row is.
        It is found by no other column, and so by none that is named "".
        """
        row = super().get_object(request, object_id)
        if row is None:
            raise Http404
        return row

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        _refuse_nul(request)
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, title | (extra_context or {}))

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Keeps what was changed, of the row and of those in its tables, for the audit log."""
        inner = [one for formset in formsets or () for one in formset.forms if one.has_changed()]
        changes = changes_of(form)
        for one in inner:
            changes |= {f"{one.instance}: {k}": v for k, v in changes_of(one).items()}
        request.audited_changes = changes  # type: ignore[attr-defined]
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, AuditAction.CREATED, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, AuditAction.CHANGED, obj)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for row in queryset:
            self._record(request, AuditAction.DELETED, row)
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, action: AuditAction, row: Any) -> None:
        is_restored = action == AuditAction.CHANGED and hasattr(request, "shown_version")
        changes = getattr(request, "audited_changes", {})
        record(AuditAction.RESTORED if is_restored else action, row, changes)


class TenantModelAdmin(GuardedModelAdmin):
    """Pages over rows of the tenant that the person works in.

    * Rows, choices and filters come from the tenant-scoped manager.
    * The tenant is never a field; it is set on save, and forms shown under another are refused.
    * What a person may do follows from their role in the tenant, not from Django's permissions.
    * Saving configuration tells the workers, in the same transaction.
    """

    form = TenantModelForm
    view_role: ClassVar[Role] = Role.EDITOR
    edit_role: ClassVar[Role] = Role.EDITOR
    is_configuration: ClassVar[bool] = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, self.view_role)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role(request, self.edit_role)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, self.edit_role)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return has_role(request, self.edit_role)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        if tenant_of(request) is None:
            raise PermissionDenied
        return super().get_object(request, object_id, from_field)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*(super().get_exclude(request, obj) or ()), "tenant"]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if tenant_of(request) is None and request.user.is_superuser:
            messages.info(request, _("Choose the tenant to work in first."))
            return HttpResponseRedirect(reverse("admin:tenants_tenant_changelist"))
        return refused_form(request) or super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return refused_form(request) or super().changeform_view(
            request, object_id, form_url, extra_context
        )

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{"form": TenantModelForm} | kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was changed and nothing else, so that two people do not undo each other."""
        obj.save(update_fields=form.stored_fields() if change else None)
        self._touch(obj.tenant_id)

    def kept_because(self, row: Any, going: list[Any]) -> str:
        """Why this row has to stay when `going` are deleted; empty when it may go."""
        return ""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        reason = self.kept_because(row, [row])
        if not reason or not self.has_delete_permission(request, row):
            return super().delete_view(request, object_id, extra_context)
        self.message_user(request, reason, messages.ERROR)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[row.pk]))

    @transaction.atomic
    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        self._touch(obj.tenant_id)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        tenant = tenant_of(request)
        if tenant is not None:
            self._touch(tenant.id)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with the rows; a row of another tenant among it is not named, and stops it."""
        rows = list(objs)
        reasons = [reason for row in rows if (reason := self.kept_because(row, rows))]
        if reasons:
            return [], {}, set(), reasons
        collector = NestedObjects(using=router.db_for_write(self.model), origin=rows)
        collector.collect(rows)
        found = chain(collector.protected, *collector.model_objs.values())
        if {row.tenant_id for row in found if isinstance(row, TenantModel)} - {current_tenant_id()}:
            return [], {}, set(), [_("Something that is not shown here")]
        return super().get_deleted_objects(rows, request)

    def _touch(self, tenant_id: Any) -> None:
        if self.is_configuration:
            touch_configuration(tenant_id)


class HistoryAdmin(TenantModelAdmin):
    """Pages over what happened: viewed, never edited."""

    view_role = Role.VIEWER
    is_configuration = False
    # Counting a large table takes as long as reading it; these lists have "previous" and "next".
    paginator = InfinitePaginator
    show_full_result_count = False
    actions: Any = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def changes_of(form: Any) -> dict[str, tuple[Any, Any]]:
    """What somebody changed in the form: before and after, by field."""
    before = form.initial
    after = form.cleaned_data
    return {name: (before.get(name), after.get(name)) for name in form.changed_data}


def refused_form(request: HttpRequest) -> HttpResponse | None:
    """The page that says why nothing was saved, when the form was shown under another tenant."""
    if request.method != "POST" or not is_form_of_other_tenant(request):
        return None
    return render(request, "orkesta/other_tenant.html", {"tenant": tenant_of(request)}, status=409)


def _refuse_nul(request: HttpRequest) -> None:
    """PostgreSQL cannot take a NUL even in a comparison; nobody types one."""
    if any("\x00" in text for pair in request.GET.lists() for text in (pair[0], *pair[1])):
        raise SuspiciousOperation("A NUL character was sent.")
