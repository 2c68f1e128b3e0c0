"""Which tenant a person works in, in the admin: kept in the browser's session, entered per request.

`admin_scope` is what the HTTP middleware enters for addresses under `/admin/`. Everything else here
only reads what it left on the request.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest
from django.utils import timezone, translation

from tenants.models import Membership, Tenant
from tenants.scope import scopes_disabled, tenant_scope

#: Key in the browser's session. A superuser who left all tenants has "" there.
SESSION_KEY: Final = "orkesta_tenant"
#: Hidden field that every form of a tenant's page carries.
FORM_FIELD: Final = "_tenant"

Role = Membership.Role
_RANKS: Final = {Role.VIEWER: 1, Role.EDITOR: 2, Role.OWNER: 3}


@contextmanager
def admin_scope(request: HttpRequest) -> Iterator[None]:
    """Let the page see the rows of the tenant chosen in this browser, in its language and time.

    1. The tenant of the session, while the person is still a member of it (superusers always are).
    2. Else the first tenant that the person joined.
    3. Else none: no scope is entered, and pages of tenants are closed.

    Sets `request.tenant`, `request.tenant_role` and `request.memberships`.
    """
    memberships = _memberships(request)
    tenant, role = _choice(request, memberships)
    request.tenant, request.tenant_role = tenant, role  # type: ignore[attr-defined]
    request.memberships = memberships  # type: ignore[attr-defined]
    _speak_language(request, tenant)
    with ExitStack() as stack:
        if tenant is not None:
            stack.enter_context(tenant_scope(tenant.id))
            stack.enter_context(timezone.override(tenant.time_zone))
        yield


def tenant_of(request: HttpRequest) -> Tenant | None:
    """The tenant that this page works in."""
    return cast("Tenant | None", getattr(request, "tenant", None))


def role_of(request: HttpRequest) -> Role | None:
    """What the person is in that tenant."""
    return cast("Role | None", getattr(request, "tenant_role", None))


def memberships_of(request: HttpRequest) -> list[Membership]:
    """All tenants that the person belongs to, oldest membership first, each with its tenant."""
    return cast("list[Membership]", getattr(request, "memberships", []))


def has_role(request: HttpRequest, needed: Role) -> bool:
    """Whether the person may do, in this tenant, what `needed` may do."""
    role = role_of(request)
    return role is not None and _RANKS[role] >= _RANKS[needed]


def is_form_of_other_tenant(request: HttpRequest) -> bool:
    """Whether the posted form was shown under another tenant than the one chosen now.

    That happens when somebody has two tabs open and switches in one of them. A form without the
    field counts as foreign, so a page that forgets it is noticed at once.
    """
    tenant = tenant_of(request)
    return request.POST.get(FORM_FIELD, "") != (str(tenant.id) if tenant else "")


def choose_tenant(request: HttpRequest, tenant_id: UUID | None) -> bool:
    """Remember the tenant for this browser; None leaves all. False when they may not enter it."""
    if tenant_id is not None and _find_entry(request, tenant_id) is None:
        return False
    request.session[SESSION_KEY] = "" if tenant_id is None else str(tenant_id)
    return True


def person_of(request: HttpRequest) -> AbstractUser | None:
    """Who is signed in, when they may use the admin at all."""
    user = request.user
    is_staff = user.is_authenticated and user.is_active and user.is_staff
    return cast("AbstractUser", user) if is_staff else None


def _memberships(request: HttpRequest) -> list[Membership]:
    person = person_of(request)
    if person is None:
        return []
    # Whose tenant it is cannot be known before this query: it is the only unscoped one of a page.
    with scopes_disabled():
        rows = Membership.objects.filter(user_id=person.pk, tenant__is_active=True)
        return list(rows.select_related("tenant").order_by("created_at", "id"))


def _choice(
    request: HttpRequest, memberships: list[Membership]
) -> tuple[Tenant | None, Role | None]:
    person = person_of(request)
    if person is None:
        return None, None
    chosen = request.session.get(SESSION_KEY)
    if chosen == "" and person.is_superuser:
        return None, None
    by_id = {str(row.tenant_id): row for row in memberships}
    if chosen in by_id:
        return _entered(person, by_id[chosen])
    if chosen and person.is_superuser:
        tenant = Tenant.objects.filter(pk=chosen).first()
        if tenant is not None:
            return tenant, Role.OWNER
    return _entered(person, memberships[0]) if memberships else (None, None)


def _entered(person: AbstractUser, membership: Membership) -> tuple[Tenant, Role]:
    return membership.tenant, Role.OWNER if person.is_superuser else Role(membership.role)


def _find_entry(request: HttpRequest, tenant_id: UUID) -> Tenant | None:
    person = person_of(request)
    if person is not None and person.is_superuser:
        return Tenant.objects.filter(pk=tenant_id).first()
    rows = (row.tenant for row in memberships_of(request) if row.tenant_id == tenant_id)
    return next(rows, None)


def _speak_language(request: HttpRequest, tenant: Tenant | None) -> None:
    """Whoever chose a language has it; others get the tenant's, or the installation's."""
    if settings.LANGUAGE_COOKIE_NAME in request.COOKIES:
        return
    language = tenant.language if tenant is not None else settings.LANGUAGE_CODE
    translation.activate(language)
    request.LANGUAGE_CODE = language
