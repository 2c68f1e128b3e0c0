import re
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tenants.authentication import authenticate_key
from tenants.models import ApiKey
from tenants.scope import tenant_scope
from tenants.services import issue_api_key, revoke_api_key
from tests.admin import desk_of
from tests.cast import House

FORM = {"name": "Shop", "kind": "live", "lifetime": "90", "scopes": ["chat:write", "tasks:read"]}


def only_key(house: House) -> ApiKey:
    with tenant_scope(house.id):
        return ApiKey.objects.get()


def new_key(house: House) -> ApiKey:
    with tenant_scope(house.id):
        return issue_api_key(tenant=house.tenant, name="Shop", scopes=["chat:write"])[0]


def create(house: House, **values: Any) -> Any:
    return desk_of(house).post("tenants_apikey_add", **FORM | values)


def test_a_new_key_is_shown_once_and_works(acme: House) -> None:
    page = create(acme).content.decode()
    plain = re.search(r"ork_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", page)
    assert plain is not None
    assert authenticate_key(plain.group(0)).tenant_id == acme.id
    key = only_key(acme)
    assert key.scopes == ["chat:write", "tasks:read"]
    assert key.created_by == acme.owner
    assert timedelta(89) < key.expires_at - key.created_at < timedelta(91)  # type: ignore[operator]
    assert plain.group(0) not in desk_of(acme).get("tenants_apikey_changelist").content.decode()
    page = desk_of(acme).get("tenants_apikey_change", key.pk).content.decode()
    assert plain.group(0) not in page
    assert key.shown in page


def test_the_page_of_a_new_key_comes_with_lines_that_work(acme: House) -> None:
    response = create(acme)
    page = response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert "http://testserver/api/v1/chat/send" in page
    assert "ws://testserver/ws/acme/" in page


def test_a_key_may_be_a_test_key_that_does_not_expire(acme: House) -> None:
    create(acme, kind="test", lifetime="")
    key = only_key(acme)
    assert (key.is_live, key.expires_at) == (False, None)


def test_a_key_needs_a_name_and_a_scope(acme: House) -> None:
    response = create(acme, name="", scopes=[])
    assert set(response.context["adminform"].form.errors) == {"name", "scopes"}
    response = create(acme, scopes=["everything"])
    assert set(response.context["adminform"].form.errors) == {"scopes"}
    with tenant_scope(acme.id):
        assert not ApiKey.objects.exists()


def test_a_key_is_revoked_after_a_question(acme: House) -> None:
    key, desk = new_key(acme), desk_of(acme)
    assert "Revoke this key?" in desk.get("tenants_apikey_revoke", key.pk).content.decode()
    assert only_key(acme).revoked_at is None
    response = desk.post("tenants_apikey_revoke", key.pk, _form_submitted="on")
    assert response.status_code == 302
    assert only_key(acme).revoked_at is not None
    page = desk.get("tenants_apikey_change", key.pk).content.decode()
    assert "is revoked." in page
    assert f"{key.pk}/revoke/" not in page


def test_several_keys_are_revoked_at_once_and_counted(acme: House) -> None:
    keys = [new_key(acme) for _ in range(3)]
    desk = desk_of(acme)
    desk.post("tenants_apikey_revoke", keys[0].pk, _form_submitted="on")
    form = {"action": "revoke_selected", "_selected_action": [key.pk for key in keys], "index": 0}
    desk.post("tenants_apikey_changelist", **form)
    assert "2 keys revoked." in desk.get("tenants_apikey_changelist").content.decode()
    with tenant_scope(acme.id):
        assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_a_key_is_neither_changed_nor_deleted(acme: House) -> None:
    key, desk = new_key(acme), desk_of(acme)
    response = desk.post("tenants_apikey_change", key.pk, name="Other", scopes=["keys:manage"])
    assert response.status_code == 403
    assert desk.post("tenants_apikey_delete", key.pk, post="yes").status_code == 403
    assert (only_key(acme).name, only_key(acme).scopes) == ("Shop", ["chat:write"])


def test_a_key_is_rotated_on_a_page_that_shows_the_new_one_once(acme: House) -> None:
    key, desk = new_key(acme), desk_of(acme)
    link = f"{key.pk}/rotate/"
    assert link in desk.get("tenants_apikey_change", key.pk).content.decode()
    assert "The old key works for" in desk.get("tenants_apikey_rotate", key.pk).content.decode()
    page = desk.post("tenants_apikey_rotate", key.pk, overlap="1").content.decode()
    plain = re.search(r"ork_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", page)
    assert plain is not None
    assert authenticate_key(plain.group(0)).scopes == {"chat:write"}
    page = desk.get("tenants_apikey_change", key.pk).content.decode()
    assert plain.group(0) not in page
    assert link not in page
    again = desk.post("tenants_apikey_rotate", key.pk, overlap="1")
    assert again.status_code == 302
    with tenant_scope(acme.id):
        assert ApiKey.objects.count() == 2


def test_a_key_is_bound_to_agents_and_networks_in_the_form(acme: House) -> None:
    response = create(acme, addresses="office")
    assert set(response.context["adminform"].form.errors) == {"addresses"}
    create(acme, addresses="203.0.113.0/24\n2001:db8::/32", agents="sales")
    key = only_key(acme)
    assert key.addresses == ["203.0.113.0/24", "2001:db8::/32"]
    assert key.agents == ["sales"]


def test_unusual_use_and_leaks_are_pointed_out(acme: House) -> None:
    key = new_key(acme)
    with tenant_scope(acme.id):
        ApiKey.objects.update(unusual_at=timezone.now(), unusual_what="address")
    page = desk_of(acme).get("tenants_apikey_changelist").content.decode()
    assert "Unusual use" in page
    page = desk_of(acme).get("tenants_apikey_change", key.pk).content.decode()
    assert "from a new network" in page
    with tenant_scope(acme.id):
        revoke_api_key(key=key, because=ApiKey.RevokedBecause.LEAKED)
    assert "Leaked" in desk_of(acme).get("tenants_apikey_changelist").content.decode()
