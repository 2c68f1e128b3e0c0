import pytest

from conversations.models import Session
from tenants.audit import record
from tenants.audit_models import AuditAction, AuditEntry
from tenants.models import Membership
from tenants.scope import tenant_scope
from tenants.services import issue_api_key
from tests.admin import desk_of
from tests.cast import House


def test_a_member_is_named_in_words(acme: House) -> None:
    with tenant_scope(acme.id):
        member = Membership.objects.get(user=acme.owner)
    page = desk_of(acme).get("tenants_membership_change", member.pk).content.decode()
    assert acme.owner.get_username() in page
    assert f"[&#x27;{acme.owner.get_username()}" not in page


def test_what_a_key_may_do_is_told_in_words(acme: House) -> None:
    with tenant_scope(acme.id):
        key, _ = issue_api_key(tenant=acme.tenant, name="Shop", scopes=["chat:write"])
    page = desk_of(acme).get("tenants_apikey_change", key.pk).content.decode()
    assert "send messages and read the answers" in page
    assert "chat:write" in page


def test_the_log_tells_changes_in_words(acme: House) -> None:
    with tenant_scope(acme.id):
        changes = {
            "is_active": (True, False),
            "intents": (None, ["price", "stock"]),
            "gone": (1, 2),
        }
        record(AuditAction.CHANGED, acme.agents["desk"], changes)
        entry = AuditEntry.objects.get()
    page = desk_of(acme).get("tenants_auditentry_change", entry.pk).content.decode()
    assert "<b>Active</b>: Yes → No" in page
    assert "— → price, stock" in page
    assert "<b>gone</b>:" in page
    assert "agent (routing.Agent)" in page


@pytest.mark.parametrize(("sessions", "pages"), [(1, 0), (100, 1)])
def test_a_list_that_fits_on_one_page_offers_no_other(
    acme: House, sessions: int, pages: int
) -> None:
    with tenant_scope(acme.id):
        Session.objects.bulk_create(Session(tenant_id=acme.id) for _ in range(sessions))
    page = desk_of(acme).get("conversations_session_changelist").content.decode()
    assert page.count('aria-label="Pages"') == pages
