"""The head of the sidebar: whose tenant this is, and the way to another one."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from tenants.admin_scope import memberships_of, tenant_of


def tenant_name(request: HttpRequest) -> str:
    """What stands under the product's name."""
    tenant = tenant_of(request)
    if tenant is not None:
        return tenant.name
    return _("No tenant chosen") if request.user.is_superuser else ""


def tenant_choices(request: HttpRequest) -> list[dict[str, Any]]:
    """The tenants that the person may go to; empty for people of one tenant, who need no switch."""
    current = tenant_of(request)
    choices = [
        _choice(row.tenant.name, str(row.tenant_id), is_current=row.tenant == current)
        for row in memberships_of(request)
    ]
    if not request.user.is_superuser:
        return choices if len(choices) > 1 else []
    if current is not None:
        if not any(choice["attrs"]["is_current"] for choice in choices):
            choices.insert(0, _choice(current.name, str(current.id), is_current=True))
        choices.append(_choice(_("Leave this tenant"), "", icon="logout"))
    everything = _choice(_("All tenants"), "", icon="apartment")
    return [*choices, everything | {"link": reverse("admin:tenants_tenant_changelist")}]


def _choice(
    title: str, tenant_id: str, *, icon: str = "storefront", is_current: bool = False
) -> dict[str, Any]:
    # `attrs` is the one field of unfold's dropdown items that our template may fill as it likes.
    attrs = {"tenant_id": tenant_id, "is_current": is_current}
    return {"title": title, "link": "", "icon": icon, "attrs": attrs}
