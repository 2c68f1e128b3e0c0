"""The matrix: every address × every kind of row × everybody who must learn nothing of it."""

from collections.abc import Callable

import pytest
from django.contrib.auth import get_user_model

from conversations.consumers import SessionSocket, unknown_address
from orkesta.addresses import addresses
from tenants.isolation.canaries import CanaryTenant, make_tenant, tenant_models
from tenants.isolation.check import unproved_sockets, visitors_of
from tenants.isolation.doors import every_door
from tenants.isolation.lines import sockets
from tenants.isolation.visitors import Visitor
from tenants.isolation.walk import Kind, Leak, Walk
from tenants.models import Membership
from tenants.principals import Scope
from tenants.scope import tenant_scope
from tenants.services import issue_api_key, revoke_api_key

#: Pages of the installation: superusers manage it.
OF_ALL = (
    "admin/tenants/tenant/",
    "admin/tenants/tier/",
    "admin/tenants/installationentry/",
    "admin/auth/",
)
#: Addresses that are of no tenant; a hook's is a secret of its own (see its tests).
OPEN_TO_ALL = {
    "hooks/<str:token>",
    "health",
    "health/detailed",
}


def key_of(house: CanaryTenant, *scopes: str, is_revoked: bool = False) -> str:
    with tenant_scope(house.tenant.pk):
        key, plain = issue_api_key(tenant=house.tenant, name="guard", scopes=scopes or list(Scope))
        if is_revoked:
            revoke_api_key(key=key)
        return plain


def anonymous(ours: CanaryTenant, theirs: CanaryTenant) -> Visitor:
    return Visitor("anonymous")


def other_key(ours: CanaryTenant, theirs: CanaryTenant) -> Visitor:
    return visitors_of(ours)[0]


def low_scope(ours: CanaryTenant, theirs: CanaryTenant) -> Visitor:
    return Visitor("low scope", key=key_of(ours, Scope.USAGE_READ))


def revoked(ours: CanaryTenant, theirs: CanaryTenant) -> Visitor:
    return Visitor("revoked", key=key_of(theirs, is_revoked=True))


def staff(ours: CanaryTenant, theirs: CanaryTenant) -> Visitor:
    return visitors_of(ours)[1]


def staff_of_both(ours: CanaryTenant, theirs: CanaryTenant) -> Visitor:
    with tenant_scope(theirs.tenant.pk):
        Membership.objects.create(user=ours.owner, role=Membership.Role.OWNER)
    return visitors_of(ours)[1]


def superuser(ours: CanaryTenant, theirs: CanaryTenant) -> Visitor:
    root = get_user_model().objects.create_superuser("root-of-all", password=None)
    return Visitor("superuser", user=root, tenant_id=ours.tenant.pk)


EVERYBODY: list[Callable[[CanaryTenant, CanaryTenant], Visitor]] = [
    anonymous,
    other_key,
    low_scope,
    revoked,
    staff,
    staff_of_both,
    superuser,
]
#: They may know that the other tenant is there.
KNOWING = {staff_of_both, superuser}


def is_news(leak: Leak) -> bool:
    """Not what whoever belongs to both tenants, or to all, is shown of them."""
    is_of_all = any(f"/{place}" in leak.door for place in OF_ALL)
    return not (is_of_all or (leak.kind is Kind.TOLD and leak.detail == "tenants.Tenant"))


@pytest.mark.django_db
@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.__name__)
def test_nobody_learns_anything_of_another_tenant(
    who: Callable[[CanaryTenant, CanaryTenant], Visitor],
) -> None:
    ours, theirs = make_tenant("ours"), make_tenant("theirs")
    visitor = who(ours, theirs)
    walk = Walk(theirs, visitor)
    leaks = list(walk.leaks(every_door()))
    if visitor.user is not None:
        leaks += walk.leaks_in_lists()
    else:
        leaks += walk.leaks_in_sockets(ours.rows)
    assert walk.num_asked > 50
    assert [leak for leak in leaks if who not in KNOWING or is_news(leak)] == []


@pytest.mark.django_db
def test_every_address_leads_to_a_row_that_is_there() -> None:
    house = make_tenant("house")
    assert {model._meta.label for model in tenant_models()} <= set(house.rows)
    key, owner = visitors_of(house)
    unproved = {
        f"{door.name} {answer.status}"
        for door in every_door()
        if door.method == "GET"
        for answer in [(owner if door.is_page else key).ask(door.request_about(house.rows))]
        if answer.status == 404 or answer.status >= 500
    }
    assert unproved == set()


@pytest.mark.django_db
def test_sockets_and_streams_tell_their_own_tenant_of_its_rows() -> None:
    house = make_tenant("house")
    assert unproved_sockets(house) == []
    key, _ = visitors_of(house)
    streams = [door for door in every_door() if door.address.route.endswith("/stream")]
    assert len(streams) == 2
    for door in streams:
        told = key.ask(door.request_about(house.rows))
        assert "conversations.Event" in house.found_in(told.body)


def test_no_address_is_outside_of_what_is_asked() -> None:
    asked = {door.address.route for door in every_door()}
    named = {found.route for found in addresses() if found.name not in {"", "admin:app_list"}}
    others = named - asked
    assert others - OPEN_TO_ALL == set(), "whose rows can be read there?"


def test_every_socket_is_known() -> None:
    known = {SessionSocket.serve, unknown_address}
    assert {route.callback for route in sockets().routes} == known
