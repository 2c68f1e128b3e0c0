from datetime import timedelta

import pytest
from django.utils import timezone

from orkesta.errors import Invalid
from tenants.authentication import authenticate_key
from tenants.models import ApiKey, Tenant
from tenants.principals import Scope
from tenants.scope import ScopeError, tenant_scope
from tenants.services import issue_api_key, revoke_api_key, touch_configuration
from tests.cast import House


def test_a_new_key_speaks_for_its_tenant_with_its_scopes_only(acme: House) -> None:
    with tenant_scope(acme.id):
        row, plain = issue_api_key(
            tenant=acme.tenant, name=" Web ", scopes=[Scope.CHAT_WRITE, "chat:write"]
        )
    principal = authenticate_key(plain)
    assert (principal.tenant_id, principal.tenant_slug) == (acme.id, "acme")
    assert (principal.key_id, principal.key_name) == (row.id, "Web")
    assert principal.scopes == {"chat:write"}
    assert principal.may("chat:write")
    assert not principal.may("tasks:read")


def test_the_row_does_not_hold_the_key(acme: House) -> None:
    with tenant_scope(acme.id):
        row, plain = issue_api_key(tenant=acme.tenant, name="Web", scopes=["chat:write"])
        held = ApiKey.objects.filter(pk=row.pk).values().get()
    secret = plain.split("_")[3]
    assert not [name for name, value in held.items() if secret[:8] in str(value)]
    assert row.shown.endswith(plain[-4:])


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"name": "  "}, "/name"),
        ({"name": "n" * 101}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["chat:write", "root"]}, "/scopes"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "/expires_at"),
    ],
)
def test_it_refuses_a_key_that_would_be_of_no_use(
    acme: House, values: dict[str, object], pointer: str
) -> None:
    wanted = {"name": "Web", "scopes": ["chat:write"]} | values
    with tenant_scope(acme.id), pytest.raises(Invalid) as failed:
        issue_api_key(tenant=acme.tenant, **wanted)  # type: ignore[arg-type]
    assert [fault["pointer"] for fault in failed.value.details["errors"]] == [pointer]
    with tenant_scope(acme.id):
        assert not ApiKey.objects.exists()


def test_it_issues_no_key_of_another_tenant(acme: House, rival: House) -> None:
    with tenant_scope(acme.id), pytest.raises(ScopeError):
        issue_api_key(tenant=rival.tenant, name="Web", scopes=["chat:write"])


def test_revoking_twice_keeps_the_first_moment(acme: House) -> None:
    with tenant_scope(acme.id):
        row, _ = issue_api_key(tenant=acme.tenant, name="Web", scopes=["chat:write"])
        first = revoke_api_key(key=row).revoked_at
        assert first is not None
        assert revoke_api_key(key=row).revoked_at == first


def test_touching_the_configuration_gives_it_a_new_version(acme: House, rival: House) -> None:
    before = acme.tenant.config_version
    touch_configuration(acme.id)
    assert Tenant.objects.get(pk=acme.id).config_version == before + 1
    assert Tenant.objects.get(pk=rival.id).config_version == rival.tenant.config_version
