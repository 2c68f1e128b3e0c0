import re
from typing import Any

from django.contrib.auth import authenticate, get_user_model
from django.http import HttpRequest

from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import desk_of, superuser_in
from tests.cast import House, make_member

FORM = {"username": "nina", "full_name": "Nina", "email": "nina@acme.example", "role": "editor"}


def members(house: House) -> dict[str, str]:
    with tenant_scope(house.id):
        return {row.user.get_username(): row.role for row in Membership.objects.all()}


def membership(house: House, username: str) -> Membership:
    with tenant_scope(house.id):
        return Membership.objects.get(user__username=username)


def errors_of(response: Any) -> Any:
    return response.context["adminform"].form.errors


def test_an_owner_adds_a_member_who_can_sign_in_with_the_password_shown(acme: House) -> None:
    page = desk_of(acme).post("tenants_membership_add", **FORM).content.decode()
    password = re.search(r"<pre>([\w-]+)</pre>", page)
    assert password is not None
    user = authenticate(HttpRequest(), username="nina", password=password.group(1))
    assert user is not None
    assert user.is_staff
    assert not user.is_superuser
    assert members(acme)["nina"] == "editor"


def test_an_owner_cannot_take_in_somebody_elses_person(acme: House, rival: House) -> None:
    response = desk_of(acme).post("tenants_membership_add", **FORM | {"username": "owner-rival"})
    assert "username" in errors_of(response)
    assert "owner-rival" not in members(acme)


def test_a_superuser_may_put_one_person_into_two_tenants(acme: House, rival: House) -> None:
    form = FORM | {"username": "owner-rival"}
    assert superuser_in(acme).post("tenants_membership_add", **form).status_code == 302
    assert members(acme)["owner-rival"] == "editor"
    user = get_user_model().objects.get(username="owner-rival")
    assert user.email == "", "an existing person keeps their own name and address"


def test_nobody_is_a_member_twice(acme: House) -> None:
    form = FORM | {"username": "owner-acme"}
    for desk in (desk_of(acme), superuser_in(acme)):
        assert "username" in errors_of(desk.post("tenants_membership_add", **form))


def test_a_role_can_change_and_nothing_else_of_a_person(acme: House) -> None:
    make_member(acme.tenant, "nina", Membership.Role.VIEWER)
    row = membership(acme, "nina")
    form = {"role": "owner", "user": acme.owner.pk, "username": "other"}
    response = desk_of(acme).post("tenants_membership_change", row.pk, **form)
    assert response.status_code == 302
    assert members(acme) == {"owner-acme": "owner", "nina": "owner"}


def test_the_last_owner_stays(acme: House) -> None:
    row, desk = membership(acme, "owner-acme"), desk_of(acme)
    assert "role" in errors_of(desk.post("tenants_membership_change", row.pk, role="viewer"))
    desk.post("tenants_membership_delete", row.pk, post="yes")
    page = desk.get("tenants_membership_changelist").content.decode()
    assert "A tenant keeps at least one owner." in page
    assert members(acme) == {"owner-acme": "owner"}


def test_a_removed_member_is_out_at_once(acme: House) -> None:
    make_member(acme.tenant, "nina", Membership.Role.OWNER)
    row = membership(acme, "owner-acme")
    desk = desk_of(acme)
    assert desk.post("tenants_membership_delete", row.pk, post="yes").status_code == 302
    assert desk.get("routing_agent_changelist").status_code == 403
    assert get_user_model().objects.filter(username="owner-acme").exists()
