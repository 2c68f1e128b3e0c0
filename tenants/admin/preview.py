"""Before limits are saved that would block somebody today, it is shown whom."""

from typing import Any, Final

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext

from tenants.admin.pages import page_context
from tenants.admin_scope import is_form_of_other_tenant
from tenants.scope import TenantModel
from tenants.tier_preview import Blocked

#: The button of the preview: the changes are wanted although they block somebody.
CONFIRMED: Final = "_confirmed"


class PreviewedPages:
    """For admins whose forms change limits."""

    def find_blocked(self, form: Any) -> list[Blocked]:
        """Who is above what the form, which is valid, says."""
        raise NotImplementedError

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        blocked = self._blocked(request, object_id) if _is_asked(request) else []
        if blocked:
            return self._preview(request, blocked)
        page: Any = super()
        answer: HttpResponse = page.changeform_view(request, object_id, form_url, extra_context)
        return answer

    def _blocked(self, request: HttpRequest, object_id: str | None) -> list[Blocked]:
        page: Any = self
        if issubclass(page.model, TenantModel) and is_form_of_other_tenant(request):
            return []
        row = page.get_object(request, unquote(object_id)) if object_id else None
        may_save = (
            page.has_change_permission(request, row) if row else page.has_add_permission(request)
        )
        if not may_save:
            return []
        form_class = page.get_form(request, row, change=row is not None)
        form = form_class(request.POST, instance=row)
        return self.find_blocked(form) if form.is_valid() else []

    def _preview(self, request: HttpRequest, blocked: list[Blocked]) -> HttpResponse:
        num = len({row.tenant.pk for row in blocked})
        title = ngettext(
            "%d tenant is above the new limit and would be blocked today",
            "%d tenants are above the new limit and would be blocked today",
            num,
        )
        page: Any = self
        context = {
            **page_context(page, request, gettext("Preview")),
            "headline": title % num,
            "blocked": blocked,
            "confirmed": CONFIRMED,
            "posted": [
                (name, value)
                for name, values in request.POST.lists()
                if name != "csrfmiddlewaretoken"
                for value in values
            ],
        }
        return TemplateResponse(request, "orkesta/tenants/tier_preview.html", context)


def _is_asked(request: HttpRequest) -> bool:
    return request.method == "POST" and CONFIRMED not in request.POST
