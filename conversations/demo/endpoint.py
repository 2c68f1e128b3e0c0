"""Which LLM the demo tenants speak with: the built-in offline one, or the one of OPENAI_API_KEY."""

from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from orkesta.crypto import SecretUnreadable
from orkesta.errors import Invalid
from routing.endpoints import OFFLINE_URL, validate_endpoint_url
from routing.models import LLMEndpoint
from tenants.models import Tenant
from tenants.services import touch_configuration

OFFLINE: Final = "Modelo integrado (sin conexión)"
FROM_ENVIRONMENT: Final = "OPENAI_API_KEY del entorno"


def plant_offline_endpoint() -> None:
    """The endpoint that a demo tenant begins with. Needs the tenant's scope."""
    LLMEndpoint.objects.create(name=OFFLINE, base_url=OFFLINE_URL, is_default=True)


@transaction.atomic
def follow_environment(tenant: Tenant) -> None:
    """Make the tenant's endpoint of OPENAI_API_KEY what the environment says now.

    Setting the variable makes that endpoint the default, removing it goes back to the offline one.
    A default that somebody chose in between, and every other endpoint, is left alone. Needs the
    tenant's scope. Raises Invalid for an OPENAI_BASE_URL that is no address.
    """
    row = LLMEndpoint.objects.filter(name=FROM_ENVIRONMENT).first()
    if not settings.ORKESTA_OPENAI["api_key"]:
        if row is not None and row.is_active:
            _retire(row)
            touch_configuration(tenant.id)
        return
    is_new = row is None or not row.is_active
    row = row or LLMEndpoint(name=FROM_ENVIRONMENT, tenant_id=tenant.id)
    if not is_new and _says_the_same(row):
        return
    _take_over(row, becomes_default=is_new)
    touch_configuration(tenant.id)


def _take_over(row: LLMEndpoint, *, becomes_default: bool) -> None:
    wanted = settings.ORKESTA_OPENAI
    try:
        validate_endpoint_url(wanted["base_url"])
    except ValidationError as exc:
        raise Invalid(f"OPENAI_BASE_URL cannot be used. {' '.join(exc.messages)}") from exc
    row.base_url, row.llm, row.is_active = wanted["base_url"], wanted["model"], True
    row.set_api_key(wanted["api_key"])
    if becomes_default:
        LLMEndpoint.objects.filter(is_default=True).update(is_default=False)
        row.is_default = True
    row.save()


def _retire(row: LLMEndpoint) -> None:
    was_default = row.is_default
    row.is_active = row.is_default = False
    row.set_api_key("")
    row.save()
    if was_default:
        LLMEndpoint.objects.filter(name=OFFLINE).update(is_default=True, is_active=True)


def _says_the_same(row: LLMEndpoint) -> bool:
    wanted = settings.ORKESTA_OPENAI
    try:
        key = row.api_key.reveal()
    except SecretUnreadable:
        return False
    return (row.base_url, row.llm, key) == (wanted["base_url"], wanted["model"], wanted["api_key"])
