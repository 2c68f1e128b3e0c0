from typing import Any

from tenants.models import Membership, Tier, TierOverride
from tenants.scope import tenant_scope
from tenants.usage_models import LLMPrice
from tests.admin import Desk, desk_of, make_superuser, superuser_in
from tests.cast import House, make_member
from tests.tenants.usage.rows import use


def root() -> Desk:
    return Desk(make_superuser())


def form_of(tier: Tier, **changes: Any) -> dict[str, Any]:
    values = {
        "name": tier.name,
        "slug": tier.slug,
        "requests_per_minute": tier.requests_per_minute or "",
        "retention_days": tier.retention_days,
        "claim_priority": tier.claim_priority,
    }
    return values | changes


def test_a_change_that_would_block_tenants_is_shown_before_it_is_saved(
    acme: House, rival: House
) -> None:
    use(acme.tenant, cost_nano=5_000_000_000)
    tier, desk = acme.tenant.tier, root()
    change = form_of(tier, money_per_month="4.00", max_agents=1)
    page = desk.post("tenants_tier_change", tier.pk, **change)
    text = page.content.decode()
    assert "2 tenants are above the new limit and would be blocked today" in text
    assert text.count("<td>Acme</td>") == 2
    assert text.count("<td>Rival</td>") == 1
    assert "<td>5.00</td><td>4.00</td>" in text
    tier.refresh_from_db()
    assert tier.max_agents is None
    saved = desk.post("tenants_tier_change", tier.pk, **change, _confirmed="1")
    assert saved.status_code == 302
    tier.refresh_from_db()
    assert (tier.max_agents, str(tier.money_per_month)) == (1, "4.00")


def test_a_change_that_blocks_nobody_is_saved_at_once(acme: House) -> None:
    tier = acme.tenant.tier
    change = form_of(tier, max_agents=2, features=["batches"], allowed_llms="gpt-5*\n\norkesta-*")
    assert root().post("tenants_tier_change", tier.pk, **change).status_code == 302
    tier.refresh_from_db()
    assert (tier.features, tier.allowed_llms) == (["batches"], ["gpt-5*", "orkesta-*"])


def test_a_tenant_with_an_override_is_not_meant(acme: House) -> None:
    with tenant_scope(acme.id):
        TierOverride.objects.create(limit="max_agents", value=9, reason="promised")
    change = form_of(acme.tenant.tier, max_agents=1)
    assert root().post("tenants_tier_change", acme.tenant.tier_id, **change).status_code == 302


def test_an_override_is_agreed_on_by_superusers_and_seen_by_owners(acme: House) -> None:
    desk = superuser_in(acme)
    form = {"limit": "max_agents", "value": "9", "reason": "promised", "expires_at_0": ""}
    assert desk.post("tenants_tieroverride_add", **form).status_code == 302
    with tenant_scope(acme.id):
        row = TierOverride.objects.get()
    assert (row.value, row.created_by.username) == (9, "root")
    owner = desk_of(acme)
    assert "promised" in owner.get("tenants_tieroverride_changelist").content.decode()
    assert owner.post("tenants_tieroverride_change", row.pk, **form).status_code == 403
    assert owner.post("tenants_tieroverride_add", **form).status_code == 403
    editor = Desk(make_member(acme.tenant, "ed", Membership.Role.EDITOR), acme.tenant)
    assert editor.get("tenants_tieroverride_changelist").status_code == 403


def test_prices_are_set_by_superusers(acme: House) -> None:
    form = {"llm": "fake-1", "input_price": "1", "output_price": "2"}
    assert desk_of(acme).post("tenants_llmprice_add", **form).status_code == 403
    assert superuser_in(acme).post("tenants_llmprice_add", **form).status_code == 302
    with tenant_scope(acme.id):
        assert LLMPrice.objects.get().output_price == 2
