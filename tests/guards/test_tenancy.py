from itertools import chain

from django.apps import apps
from django.db import models

from tenants.scope import TenantModel, has_tenant

OURS = ("tenants", "prompts", "routing", "conversations")
#: Rows that belong to the installation, not to one tenant.
SHARED = {
    "tenants.Tenant",
    "tenants.Tier",
    "tenants.HistoricalTier",
    "tenants.InstallationEntry",
}
#: Unique over all tenants on purpose: a key's public part and the digest of a hook's address find
#: their row before its tenant is known, a tenant's or tier's slug names it, and there is one log of
#: the installation.
UNIQUE_EVERYWHERE = {
    ("conversations.InboundWebhook", ("token_digest",)),
    ("tenants.ApiKey", ("kid",)),
    ("tenants.InstallationEntry", ("seq",)),
    ("tenants.Tenant", ("slug",)),
    ("tenants.Tier", ("slug",)),
}
#: No address holds their primary key: events go by session and number, records by the caller's key.
NEVER_ADDRESSED = {"conversations.Event", "tenants.IdempotencyRecord"}


def our_models() -> list[type[models.Model]]:
    return [model for app in OURS for model in apps.get_app_config(app).get_models(True)]


def test_every_row_belongs_to_a_tenant() -> None:
    homeless = {model._meta.label for model in our_models() if not has_tenant(model)}
    assert homeless == SHARED


def test_every_tenants_row_is_guarded_by_the_scope() -> None:
    unguarded = [
        model._meta.label
        for model in our_models()
        if has_tenant(model) and not issubclass(model, TenantModel)
    ]
    assert unguarded == []


def test_no_tenant_can_see_or_take_anothers_unique_values() -> None:
    loose = {
        (model._meta.label, fields)
        for model in our_models()
        for fields in _unique_sets(model)
        if not any(_is_of_a_tenant(model, name) for name in fields)
    }
    assert loose == UNIQUE_EVERYWHERE


def test_rows_that_people_address_cannot_be_counted() -> None:
    countable = {
        model._meta.label
        for model in our_models()
        if not isinstance(model._meta.pk, models.UUIDField)
    }
    assert countable == NEVER_ADDRESSED


def _unique_sets(model: type[models.Model]) -> set[tuple[str, ...]]:
    """The fields of every uniqueness but that of the primary key."""
    single = [
        (field.name,)
        for field in model._meta.concrete_fields
        if field.unique and not field.primary_key
    ]
    constraints = [
        tuple(constraint.fields)
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
    ]
    together = [tuple(names) for names in model._meta.unique_together]
    return set(chain(single, constraints, together))


def _is_of_a_tenant(model: type[models.Model], name: str) -> bool:
    """Whether the field is the tenant, or a foreign key to a row that has one."""
    field = model._meta.get_field(name)
    target = field.remote_field.model if isinstance(field, models.ForeignKey) else None
    return name == "tenant" or (target is not None and issubclass(target, TenantModel))
