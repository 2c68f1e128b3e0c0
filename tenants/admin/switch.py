"""Going to another tenant: a POST, so that no link and no other site can do it for somebody."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from tenants.admin_scope import choose_tenant


@require_POST
def switch_tenant(request: HttpRequest) -> HttpResponse:
    """Work in the posted tenant from now on; 404 for one that is not the person's to enter."""
    tenant_id = _tenant_id(request.POST.get("tenant", ""))
    if tenant_id is None and not request.user.is_superuser:
        raise Http404
    if not choose_tenant(request, tenant_id):
        raise Http404
    if tenant_id is None:
        messages.info(request, _("You have left the tenant."))
    return HttpResponseRedirect(reverse("admin:index"))


def _tenant_id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
