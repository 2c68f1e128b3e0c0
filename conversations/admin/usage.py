"""Usage and budget: what this month costs, who spends it, and where it stops."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminIntegerFieldWidget
from unfold.widgets import UnfoldBooleanSwitchWidget as SwitchWidget

from conversations.admin import usage_figures as figures
from conversations.admin.dashboard import CHART_OPTIONS
from conversations.services.budget import list_paused_by_budget, set_budget
from orkesta.errors import Invalid
from tenants.admin.model_admin import HistoryAdmin, refused_form
from tenants.admin_scope import Role, has_role, tenant_of
from tenants.allowances import Allowance, allowance_of
from tenants.models import Tenant
from tenants.usage_models import UsageDay


class BudgetForm(forms.Form):
    money_per_month = forms.DecimalField(
        label=gettext_lazy("US dollars per month"),
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=gettext_lazy("Empty: no budget of your own."),
    )
    alert_percent = forms.IntegerField(
        label=gettext_lazy("Warn at percent"),
        min_value=1,
        max_value=100,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    is_hard = forms.BooleanField(
        label=gettext_lazy("Pause tasks at the limit"), required=False, widget=SwitchWidget
    )


@admin.register(UsageDay)
class UsageAdmin(HistoryAdmin):
    """One page in the place of the list: nobody wants to read the sums one by one."""

    view_role = Role.EDITOR
    edit_role = Role.OWNER

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        tenant = tenant_of(request)
        if tenant is None:
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        if (refused := refused_form(request)) is not None:
            return refused
        allowance = allowance_of(tenant.id)
        form = BudgetForm(
            request.POST if request.method == "POST" else None, initial=_now(allowance)
        )
        if request.method == "POST" and self._save(request, tenant, form):
            return HttpResponseRedirect(reverse("admin:tenants_usageday_changelist"))
        return self._page(request, allowance, form)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A sum has no page of its own."""
        self.get_object(request, object_id)
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:tenants_usageday_changelist"))

    def _save(self, request: HttpRequest, tenant: Tenant, form: BudgetForm) -> bool:
        if not has_role(request, self.edit_role):
            raise PermissionDenied
        if not form.is_valid():
            return False
        given = form.cleaned_data
        try:
            num = set_budget(
                tenant_id=tenant.id,
                dollars=given["money_per_month"],
                is_hard=given["is_hard"],
                alert_percent=given["alert_percent"],
            )
        except Invalid:
            form.add_error("money_per_month", _("Your tier allows less."))
            return False
        text = ngettext("Saved; %d task goes on.", "Saved; %d tasks go on.", num) % num
        self.message_user(request, text if num else _("Saved."), messages.SUCCESS)
        return True

    def _page(self, request: HttpRequest, allowance: Allowance, form: BudgetForm) -> HttpResponse:
        today = allowance.today()
        num_paused = list_paused_by_budget().count()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Usage and budget"),
            "month": figures.read_month(allowance),
            "chart": figures.read_chart(today),
            "chart_options": CHART_OPTIONS.replace('"precision":0,', ""),
            "agents": figures.read_agents(today, _("Supervisor")),
            "llms": figures.read_llms(today),
            "num_paused": num_paused,
            "form": form,
            "tier_limit": allowance.money_per_month,
            "may_edit": has_role(request, self.edit_role),
            "submit": _("Raise and continue") if num_paused else _("Save"),
        }
        return TemplateResponse(request, "orkesta/conversations/usage.html", context)


def _now(allowance: Allowance) -> dict[str, Any]:
    return {
        "money_per_month": allowance.budget,
        "alert_percent": allowance.alert_percent,
        "is_hard": allowance.is_budget_hard,
    }
