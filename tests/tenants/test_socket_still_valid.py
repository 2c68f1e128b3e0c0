from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.authentication import authenticate_key
from tenants.errors import KeyExpired, KeyRevoked, ScopeMissing
from tenants.models import ApiKey
from tenants.scope import tenant_scope
from tenants.websocket_auth import check_still_valid
from tests.callers import make_key
from tests.cast import House


def revoke(key: ApiKey) -> None:
    key.revoked_at = timezone.now()


def expire(key: ApiKey) -> None:
    key.expires_at = timezone.now() - timedelta(seconds=1)


def narrow(key: ApiKey) -> None:
    key.scopes = ["prompts:read"]


@pytest.mark.parametrize(
    ("change", "error"), [(revoke, KeyRevoked), (expire, KeyExpired), (narrow, ScopeMissing)]
)
def test_an_open_socket_notices_what_became_of_its_key(
    acme: House, change: Callable[[ApiKey], None], error: type[Exception]
) -> None:
    principal = authenticate_key(make_key(acme.tenant))
    with tenant_scope(acme.id):
        check_still_valid(principal)
        key = ApiKey.objects.get()
        change(key)
        key.save()
        with pytest.raises(error):
            check_still_valid(principal)
