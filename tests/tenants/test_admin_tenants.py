from typing import Any

from django.contrib.auth import get_user_model

from tenants.models import Tenant, Tier
from tests.admin import Desk, desk_of, make_superuser
from tests.cast import House, make_tier


def tenant_form(**values: Any) -> dict[str, Any]:
    tier = make_tier().pk
    form = {"name": "New shop", "slug": "new-shop", "tier": tier, "language": "es"}
    return form | {"time_zone": "America/Mexico_City", "is_active": "on"} | values


def root() -> Desk:
    return Desk(make_superuser())


def test_a_superuser_makes_a_tenant(db: None) -> None:
    assert root().post("tenants_tenant_add", **tenant_form()).status_code == 302
    assert Tenant.objects.get().slug == "new-shop"


def test_bad_values_are_said_beside_their_fields(db: None) -> None:
    form = tenant_form(slug="Not A Slug", time_zone="Mars/Olympus")
    response = root().post("tenants_tenant_add", **form)
    assert set(response.context["adminform"].form.errors) == {"slug", "time_zone"}


def test_a_change_reaches_the_workers_and_leaves_the_slug(acme: House) -> None:
    before = acme.tenant.config_version
    form = tenant_form(name="Renamed", slug="renamed", business_context="Open on Sundays.")
    assert root().post("tenants_tenant_change", acme.id, **form).status_code == 302
    acme.tenant.refresh_from_db()
    assert (acme.tenant.name, acme.tenant.slug) == ("Renamed", "acme")
    assert acme.tenant.config_version == before + 1


def test_a_tier_reaches_all_its_tenants(acme: House, rival: House) -> None:
    tier = acme.tenant.tier
    before = [acme.tenant.config_version, rival.tenant.config_version]
    form = {"name": tier.name, "slug": tier.slug, "requests_per_minute": 5, "retention_days": 30}
    form["claim_priority"] = 5
    assert root().post("tenants_tier_change", tier.pk, **form).status_code == 302
    tier.refresh_from_db()
    assert tier.requests_per_minute == 5
    versions = Tenant.objects.order_by("slug").values_list("config_version", flat=True)
    assert list(versions) == [version + 1 for version in before]


def test_a_tenant_with_all_its_conversations_is_not_deleted_here(acme: House) -> None:
    assert root().post("tenants_tenant_delete", acme.id, post="yes").status_code == 403
    assert Tenant.objects.exists()


def test_a_tier_in_use_is_not_deleted(acme: House) -> None:
    root().post("tenants_tier_delete", acme.tenant.tier_id, post="yes")
    assert Tier.objects.exists()


def test_an_owner_sees_neither_tenants_nor_people_of_others(acme: House) -> None:
    desk = desk_of(acme)
    for name in ("tenants_tenant", "tenants_tier", "auth_user"):
        assert desk.get(f"{name}_changelist").status_code == 403
        assert desk.post(f"{name}_add").status_code == 403


def test_a_superuser_makes_and_mutes_users_but_deletes_none(acme: House) -> None:
    desk = root()
    form = {"username": "nina", "password1": "a-long-pass-1", "password2": "a-long-pass-1"}
    assert desk.post("auth_user_add", usable_password="true", **form).status_code == 302
    assert get_user_model().objects.get(username="nina").check_password("a-long-pass-1")
    assert desk.post("auth_user_delete", acme.owner.pk, post="yes").status_code == 403


def test_the_switch_offers_tenants_to_those_who_have_several(acme: House) -> None:
    assert 'name="tenant" value=' not in desk_of(acme).get("index").content.decode()
    desk = root()
    assert f'name="tenant" value="{acme.id}"' in desk.get("index").content.decode()
    desk.enter(acme.tenant)
    page = desk.get("index").content.decode()
    assert "Leave this tenant" in page
    assert "All tenants" in page
