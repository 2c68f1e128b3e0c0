"""How much of a tier's monthly limits the tenant in scope has used."""

from decimal import Decimal

from tenants.scope import current_tenant_id
from tenants.usage.money import Amount, to_cents
from tenants.usage.totals import read_spent_this_month


def tokens() -> int:
    return _spent().tokens


def money() -> Decimal:
    return to_cents(_spent().nano)


def _spent() -> Amount:
    tenant_id = current_tenant_id()
    return read_spent_this_month(tenant_id) if tenant_id else Amount()
