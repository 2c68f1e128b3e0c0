"""What superusers look after: tenants, and the base of pages like theirs."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from tenants.admin.model_admin import GuardedModelAdmin
from tenants.admin.preview import PreviewedPages
from tenants.admin.switch import switch_tenant
from tenants.allowances import LIMITS
from tenants.models import Membership, Tenant, Tier
from tenants.scope import scopes_disabled
from tenants.services import touch_configuration
from tenants.tier_preview import Blocked, find_above


class SuperuserAdmin(GuardedModelAdmin):
    """Pages over what belongs to the installation and to no tenant."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        # Before the look-up, or the answer would tell which ids exist.
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().get_object(request, object_id, from_field)

    has_add_permission = has_module_permission
    has_change_permission = has_delete_permission = has_view_permission


@admin.register(Tenant)
class TenantAdmin(PreviewedPages, SuperuserAdmin):
    list_display = ("name", "slug", "tier", "members", "status", "created_at", "enter")
    list_filter = ("is_active", "tier")
    list_select_related = ("tier",)
    search_fields = ("name", "slug")
    list_before_template = "orkesta/tenants/enter_form.html"
    fieldsets = (
        (None, {"fields": (("name", "slug"), ("tier", "is_active"), ("language", "time_zone"))}),
        (_("What every agent knows"), {"fields": ("business_context",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        # A subquery, because a join would multiply the rows before they are counted.
        with scopes_disabled():
            members = (
                Membership.objects.filter(tenant=OuterRef("pk"))
                .order_by()
                .values("tenant")
                .annotate(number=Count("pk"))
                .values("number")
            )
        rows: QuerySet[Tenant] = super().get_queryset(request)
        return rows.annotate(num_members=Coalesce(Subquery(members), 0))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Tenant | None = None
    ) -> tuple[str, ...]:
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A tenant is made inactive; deleting one would take all its conversations along."""
        return False

    def get_urls(self) -> list[URLPattern]:
        switch = self.admin_site.admin_view(switch_tenant)
        return [path("switch/", switch, name="tenants_tenant_switch"), *super().get_urls()]

    def find_blocked(self, form: Any) -> list[Blocked]:
        """Of another tier: what the tenant uses more of than that one allows, and this one did."""
        tenant, is_going = form.instance, "tier" in form.changed_data
        if tenant._state.adding or not tenant.is_active or not is_going:
            return []
        old, new = Tier.objects.get(pk=form.initial["tier"]), form.cleaned_data["tier"]
        names = [name for name in LIMITS if getattr(old, name) != getattr(new, name)]
        return find_above(tenant, {name: getattr(new, name) for name in names})

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        if not change:
            obj.save()
            return
        obj.save(update_fields=form.changed_data)
        touch_configuration(obj.pk)

    @display(description=_("members"))
    def members(self, tenant: Any) -> int:
        return int(tenant.num_members)

    @display(description=_("status"), label={"on": "success", "off": "danger"})
    def status(self, tenant: Tenant) -> tuple[str, Any]:
        return ("on", _("Active")) if tenant.is_active else ("off", _("Inactive"))

    @display(description="")
    def enter(self, tenant: Tenant) -> str:
        return format_html(
            '<button form="enter-tenant" name="tenant" value="{}" class="ork-button">{}</button>',
            tenant.pk,
            _("Enter"),
        )
