"""A tenant that has one row of every kind, whose texts are found again wherever they turn up."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, models
from django.utils import timezone

from orkesta.crypto import SealedTextField, seal
from tenants.audit import record
from tenants.audit_models import AuditAction
from tenants.models import Membership, Tenant, Tier
from tenants.principals import Scope
from tenants.scope import TenantModel, tenant_scope
from tenants.services import issue_api_key

PREFIX: Final = "cnry"
#: Fields that hold less than this cannot hold a canary.
_SHORTEST: Final = 20
#: Above what making the tenant has counted already, such as entries of its log.
_SOME_NUMBER: Final = 101
#: What pages compute with, and a canary would only break.
_MEANINGFUL: Final = {
    "cron": "0 9 * * *",
    "time_zone": "UTC",
    "message_template": "{{ body }}",
    "num_calls": 1,
    "last_seq": _SOME_NUMBER,
}
#: What may point nowhere, and then is told of at fewer doors.
_LINKED: Final = {("conversations.Event", "task")}
#: Objects in which anything may be written.
_FREE: Final = {"context", "metadata", "data", "input", "output", "arguments", "grant"}


@dataclass(frozen=True, slots=True)
class CanaryTenant:
    """A tenant, an owner of it, a key with every scope, and its rows by their model's label."""

    tenant: Tenant
    owner: AbstractBaseUser
    key: str
    rows: dict[str, Any] = field(default_factory=dict)
    #: Which row each canary stands for.
    canaries: dict[str, str] = field(default_factory=dict)
    _statements: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def found_in(self, text: str) -> list[str]:
        """Labels of the models whose canaries are in `text`."""
        if PREFIX not in text:
            return []
        return sorted(label for canary, label in self.canaries.items() if canary in text)

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that is stored of this tenant, in order to see that nobody has touched it."""
        # Asked after every request: to write the statements again takes longer than to run them.
        if not self._statements:
            for model in tenant_models():
                self._statements[model._meta.label] = _all_of(model, self.tenant)
        found = {}
        with connection.cursor() as cursor:
            for label, (statement, params) in self._statements.items():
                cursor.execute(statement, params)
                found[label] = list(cursor.fetchall())
        return found


def _all_of(model: type[TenantModel], tenant: Tenant) -> tuple[str, Any]:
    """The statement that reads the model's rows of the tenant, and its parameters."""
    rows = model._base_manager.filter(tenant_id=tenant.pk).order_by("pk").values_list()
    return rows.query.sql_with_params()


def tenant_models() -> list[type[TenantModel]]:
    """Every model whose rows belong to a tenant."""
    return [model for model in apps.get_models() if issubclass(model, TenantModel)]


def make_tenant(name: str) -> CanaryTenant:
    """The tenant and its rows; to be called in a transaction that is rolled back."""
    run = secrets.token_hex(4)
    slug = f"{PREFIX}-{name}-{run}"
    tier = Tier.objects.create(slug=slug, name=slug, requests_per_minute=None)
    entry = record(AuditAction.CREATED, tier)
    tenant = Tenant.objects.create(slug=slug, name=slug, tier=tier)
    owner = get_user_model().objects.create_user(slug, password=None, is_staff=True)
    with tenant_scope(tenant.pk):
        member = Membership.objects.create(user=owner, role=Membership.Role.OWNER)
        row, key = issue_api_key(tenant=tenant, name=slug, scopes=list(Scope))
        rows = {"tenants.ApiKey": row, "tenants.Membership": member, "tenants.Tenant": tenant}
        rows |= {"tenants.Tier": tier, "tenants.InstallationEntry": entry}
        rows |= {owner._meta.label: owner}
        found = CanaryTenant(tenant, owner, key, rows, {slug: "tenants.Tenant"})
        for number, model in enumerate(tenant_models()):
            _Maker(found, f"{PREFIX}{run}").row_of(model, number)
    return found


@dataclass(frozen=True, slots=True)
class _Maker:
    house: CanaryTenant
    prefix: str

    def row_of(self, model: type[models.Model], number: int = 0) -> Any:
        """The tenant's row of `model`, made now unless it is there."""
        label = model._meta.label
        if label not in self.house.rows and hasattr(model, "instance_type"):
            self.house.rows[label] = self._version_of(model)
        if label not in self.house.rows:
            number = number or tenant_models().index(model)  # type: ignore[arg-type]
            canary = f"{self.prefix}{number:02}{secrets.token_hex(2)}"
            self.house.canaries[canary] = label
            self.house.rows[label] = self._made(model, canary)
        return self.house.rows[label]

    def _version_of(self, versions: Any) -> Any:
        """Saving a row has kept a version of it, canary and all."""
        row = self.row_of(versions.instance_type)
        return versions.objects.filter(id=row.pk).get(number=1)

    def _made(self, model: type[models.Model], canary: str) -> Any:
        row = model(tenant_id=self.house.tenant.pk)
        for column in model._meta.concrete_fields:
            if column.name != "tenant" and not column.primary_key:
                self._fill(row, column, canary)
        for column in model._meta.concrete_fields:
            if isinstance(column, SealedTextField):
                seal(row, column.name, canary)
        if isinstance(model._meta.pk, models.UUIDField) and row.pk is None:
            row.pk = uuid4()
        row.save()
        return row

    def _fill(self, row: models.Model, column: Any, canary: str) -> None:
        if column.name in _MEANINGFUL:
            setattr(row, column.name, _MEANINGFUL[column.name])
        elif isinstance(column, models.ForeignKey):
            if not column.null or (row._meta.label, column.name) in _LINKED:
                target = column.related_model
                is_ours = issubclass(target, TenantModel)
                setattr(row, column.name, self.row_of(target) if is_ours else self.house.owner)
        elif isinstance(column, models.CharField | models.TextField):
            _write(row, column, canary)
        elif column.name in _FREE and isinstance(column, models.JSONField):
            setattr(row, column.name, {"canary": canary})
        elif isinstance(column, models.BinaryField):
            setattr(row, column.name, canary.encode())
        elif not column.null and not column.has_default():
            setattr(row, column.name, _plain(column))


def _write(row: models.Model, column: Any, canary: str) -> None:
    """A choice stays a choice, and a default that means something stays what it is."""
    if column.choices:
        if not column.has_default():
            setattr(row, column.name, column.choices[0][0])
    elif isinstance(column, SealedTextField) or (column.has_default() and column.get_default()):
        return
    elif "url" in column.name:
        setattr(row, column.name, f"https://{canary}.example/")
    elif column.max_length is None or column.max_length >= _SHORTEST:
        setattr(row, column.name, canary)
    else:
        setattr(row, column.name, secrets.token_hex(column.max_length)[: column.max_length])


def _plain(column: Any) -> Any:
    now = timezone.now()
    if isinstance(column, models.DateTimeField):
        return now + timedelta(hours=1)
    if isinstance(column, models.DateField):
        return now.date()
    return {} if isinstance(column, models.JSONField) else _SOME_NUMBER
