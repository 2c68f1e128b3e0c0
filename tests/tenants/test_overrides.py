"""Every limit of a tier can be another one for one tenant."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tenants.allowances import Allowance, allowance_of
from tenants.models import Tier, TierOverride
from tenants.scope import tenant_scope
from tests.admin import Desk, desk_of, superuser_in
from tests.cast import House

Form = dict[str, Any]


def form_of(limit: str, **values: Any) -> Form:
    return {"limit": limit, "reason": "promised", "expires_at_0": "", "expires_at_1": ""} | values


def allowed(house: House) -> Allowance:
    with tenant_scope(house.id):
        return allowance_of(house.id)


def add(house: House, form: Form) -> Desk:
    desk = superuser_in(house)
    response = desk.post("tenants_tieroverride_add", **form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    return desk


def test_one_tenant_keeps_what_it_said_for_longer(acme: House) -> None:
    add(acme, form_of("retention_days", value="730"))
    assert allowed(acme).retention_days == 730


def test_one_tenant_has_a_share_of_the_workers_of_its_own(acme: House) -> None:
    add(acme, form_of("claim_priority", value="9"))
    assert allowed(acme).claim_priority == 9


def test_one_tenant_has_features_of_its_own(acme: House) -> None:
    Tier.objects.update(features=["batches"])
    add(acme, form_of("features", features=["webhooks", "schedules"], value="3"))
    found = allowed(acme)
    assert (found.has("webhooks"), found.has("batches")) == (True, False)
    with tenant_scope(acme.id):
        assert TierOverride.objects.get().value is None


def test_one_tenant_may_use_llms_of_its_own(acme: House) -> None:
    Tier.objects.update(allowed_llms=["orkesta-*"])
    desk = add(acme, form_of("allowed_llms", allowed_llms="orkesta-offline\ngpt-5*\n"))
    assert allowed(acme).may_ask("gpt-5-mini")
    with tenant_scope(acme.id):
        row = TierOverride.objects.get()
    page: Any = desk.get("tenants_tieroverride_change", row.pk)
    assert page.context["adminform"].form["allowed_llms"].value() == "orkesta-offline\ngpt-5*"
    for reader in (desk, desk_of(acme)):
        assert "gpt-5*" in reader.get("tenants_tieroverride_changelist").content.decode()
    assert "gpt-5*" in desk_of(acme).get("tenants_tieroverride_change", row.pk).content.decode()
    desk.post("tenants_tieroverride_change", row.pk, **form_of("allowed_llms"))
    assert allowed(acme).may_ask("anything")


def test_a_list_that_becomes_a_number_is_a_list_no_more(acme: House) -> None:
    desk = add(acme, form_of("features", features=["schedules"]))
    with tenant_scope(acme.id):
        row = TierOverride.objects.get()
    desk.post("tenants_tieroverride_change", row.pk, **form_of("max_agents", value="7"))
    with tenant_scope(acme.id):
        row.refresh_from_db()
    assert (row.limit, row.value, row.names) == ("max_agents", 7, [])


def test_a_version_of_a_list_can_be_restored(acme: House) -> None:
    desk = add(acme, form_of("allowed_llms", allowed_llms="orkesta-offline\ngpt-5*"))
    with tenant_scope(acme.id):
        row = TierOverride.objects.get()
        first = row.history.get()
    change = form_of("allowed_llms", allowed_llms="orkesta-offline")
    desk.post("tenants_tieroverride_change", row.pk, **change)
    assert not allowed(acme).may_ask("gpt-5")
    page: Any = desk.get("tenants_tieroverride_version", row.pk, first.pk)
    assert page.context["adminform"].form["allowed_llms"].value() == "orkesta-offline\ngpt-5*"


@pytest.mark.parametrize(
    ("limit", "value"),
    [("retention_days", ""), ("retention_days", "36501"), ("claim_priority", "11")],
)
def test_what_cannot_be_unlimited_needs_a_number(acme: House, limit: str, value: str) -> None:
    response: Any = superuser_in(acme).post(
        "tenants_tieroverride_add", **form_of(limit, value=value)
    )
    assert list(response.context["adminform"].form.errors) == ["value"]


def test_a_retention_that_no_calendar_holds_is_refused(acme: House) -> None:
    acme.tenant.tier.retention_days = 36_501
    with pytest.raises(ValidationError, match="retention_days"):
        acme.tenant.tier.full_clean()
