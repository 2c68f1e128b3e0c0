"""Circuit breakers at the admin: seen in lists and on the page of a row, and closed by hand."""

from collections.abc import Iterable
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from routing.breaker import BreakerState, BreakerStatus
from routing.breaker_store import breaker_store
from tenants.admin.model_admin import TenantModelAdmin
from tenants.admin_scope import tenant_of

LABELS = {
    BreakerStatus.CLOSED: _("Healthy"),
    BreakerStatus.OPEN: _("Left alone"),
    BreakerStatus.HALF_OPEN: _("Being tried"),
}


class BreakerAdmin(TenantModelAdmin):
    """A page over rows that stand behind breakers; `breaker_of` names the breaker of each."""

    def breaker_of(self, row: Any) -> str:
        """The breaker's name within the tenant; empty for none."""
        raise NotImplementedError

    def breakers_beside(self, row: Any) -> tuple[str, ...]:
        """Names of more breakers of the row, which are closed with it."""
        return ()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.reset_breaker))
        name = f"{self.opts.app_label}_{self.opts.model_name}_reset_breaker"
        return [path("<path:object_id>/breaker/", view, name=name), *super().get_urls()]

    def reset_breaker(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close the breaker of a row: the next call is made as if nothing had happened."""
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        for name in (self.breaker_of(row), *self.breakers_beside(row)):
            async_to_sync(breaker_store().reset)(row.tenant_id, name)
        self.message_user(request, _("The next call is made again."), messages.SUCCESS)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[row.pk]))

    def states_of(self, request: HttpRequest, rows: Iterable[Any]) -> dict[str, BreakerState]:
        """The states of the breakers of `rows`, by name, in one look."""
        tenant = tenant_of(request)
        names = sorted({name for row in rows if (name := self.breaker_of(row))})
        if tenant is None or not names:
            return {}
        return async_to_sync(breaker_store().read_many)(tenant.id, names)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        states = self.states_of(request, changelist.result_list)
        for row in changelist.result_list:
            row.breaker_state = states.get(self.breaker_of(row))
        return changelist

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        state = self.states_of(request, [row]).get(self.breaker_of(row))
        shown = state if state and state.status is not BreakerStatus.CLOSED else None
        context = {"breaker": shown, "breaker_label": LABELS[shown.status] if shown else ""}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    @display(
        description=_("health"),
        label={"closed": "success", "open": "danger", "half_open": "warning"},
    )
    def health(self, row: Any) -> Any:
        state: BreakerState | None = getattr(row, "breaker_state", None)
        return None if state is None else (state.status.value, LABELS[state.status])
