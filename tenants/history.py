"""What rows of configuration were: every state that a save leaves, with who did it and when.

django-simple-history makes the tables and listens to the models' signals. What is different here:

* Versions of a tenant's rows are rows of that tenant, behind the same scope, and go with it.
* Sealed secrets are never kept; neither is what changes by itself, such as a time of last use.
* A save that changes nothing of what is kept leaves no version, and costs no query when it says so
  by `update_fields`.
* A state that nobody kept (written by `update()` or before there was a history) is kept before it
  is overwritten.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.signals import pre_save
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

from orkesta.crypto import SealedTextField
from orkesta.ids import uuid7
from orkesta.middleware import current_request_id
from tenants.audit import current_actor, current_reason
from tenants.audit_models import ActorKind
from tenants.scope import TenantManager, TenantModel, tenant_scope

CREATED: Final = "+"
CHANGED: Final = "~"
DELETED: Final = "-"
#: The reason of a version that was found, and not written by whoever overwrote it.
FOUND: Final = "found"

State = Mapping[str, Any]


class Version(models.Model):
    """What every version has beside the columns of its row."""

    number = models.PositiveIntegerField(_("version"))
    actor_kind = models.CharField(_("kind of actor"), max_length=10, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(_("who"), max_length=200, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        abstract = True


class TenantVersion(Version, TenantModel):
    """A version of a row of a tenant."""

    class Meta:
        abstract = True


class ScopedVersions(HistoryManager, TenantManager[Any]):  # type: ignore[misc]
    """`row.history` and `Model.history`: versions of the tenant in scope; none without a scope."""


class ConfigHistory(HistoricalRecords):  # type: ignore[misc]
    """`history = ConfigHistory(excluded=…)` on a model keeps its versions; `excluded` names what
    changes by itself. `is_of_tenant` is false for rows of the installation.
    """

    def __init__(self, *, excluded: Collection[str] = (), is_of_tenant: bool = True) -> None:
        super().__init__(
            bases=[TenantVersion if is_of_tenant else Version],
            excluded_fields=sorted(excluded),
            history_id_field=models.UUIDField(default=uuid7),
            history_change_reason_field=models.CharField(max_length=200, blank=True),
            history_user_id_field=models.CharField(max_length=64, blank=True),
            history_user_getter=lambda version: version.actor_name,
            history_user_setter=lambda version, user: None,
            history_manager=ScopedVersions if is_of_tenant else HistoryManager,
        )

    def fields_included(self, model: type[models.Model]) -> list[Any]:
        return [
            field
            for field in model._meta.fields
            if field.name not in self.excluded_fields and not isinstance(field, SealedTextField)
        ]

    def copy_fields(self, model: type[models.Model]) -> dict[str, Any]:
        """The tenant is the version's own: with a constraint, so that versions go with it."""
        found: dict[str, Any] = super().copy_fields(model)
        found.pop("tenant", None)
        return found

    def get_meta_options(self, model: type[models.Model]) -> dict[str, Any]:
        names = model._meta.verbose_name, model._meta.verbose_name_plural
        return {
            **super().get_meta_options(model),
            "ordering": ["-number"],
            "get_latest_by": "number",
            "verbose_name": format_lazy("{}: {}", names[0], _("version")),
            "verbose_name_plural": format_lazy("{}: {}", names[1], _("versions")),
        }

    def finalize(self, sender: type[models.Model], **kwargs: Any) -> None:
        super().finalize(sender, **kwargs)
        if self.cls is sender:
            pre_save.connect(self.before_save, sender=sender, weak=False)

    def before_save(self, instance: Any, raw: bool, update_fields: Any, **kwargs: Any) -> None:
        """Keep the state that is about to be overwritten, if nobody has."""
        if raw or instance._state.adding or not self._is_kept(instance, update_fields):
            return
        state = _state_of(instance, self._columns(instance))
        if state is None:
            return
        latest = self._latest(instance)
        if latest is None or not _is_same(latest, state):
            kind = CREATED if latest is None else CHANGED
            self._write(instance, kind, state, latest, found=True)

    def post_save(self, instance: Any, created: bool, using: Any = None, **kwargs: Any) -> None:
        if kwargs.get("raw") or not (
            created or self._is_kept(instance, kwargs.get("update_fields"))
        ):
            return
        columns = self._columns(instance)
        if created:
            state: State | None = {name: getattr(instance, name) for name in columns}
            self._write(instance, CREATED, state or {}, self._latest(instance))
            return
        # Read back: a form writes some columns of an instance whose others may be old.
        state, latest = _state_of(instance, columns), self._latest(instance)
        if state is not None and (latest is None or not _is_same(latest, state)):
            self._write(instance, CHANGED, state, latest)

    def post_delete(self, instance: Any, using: Any = None, **kwargs: Any) -> None:
        origin: Any = kwargs.get("origin")
        model: Any = origin.model if isinstance(origin, models.QuerySet) else type(origin)
        if origin is not None and model._meta.label == "tenants.Tenant":
            # All that is the tenant's goes, its history too.
            return
        state = {name: getattr(instance, name) for name in self._columns(instance)}
        self._write(instance, DELETED, state, self._latest(instance))

    def _is_kept(self, instance: Any, written: Collection[str] | None) -> bool:
        """Whether any of the written columns is kept; all are written when nothing is said."""
        if written is None:
            return True
        names = {
            name
            for field in self.fields_included(type(instance))
            for name in (field.name, field.attname)
        }
        return not names.isdisjoint(written)

    def _columns(self, instance: Any) -> list[str]:
        return [field.attname for field in self.fields_included(type(instance))]

    def _versions(self, instance: Any) -> Any:
        history: Any = getattr(type(instance), self.manager_name).model
        return history._base_manager.filter(**{instance._meta.pk.attname: instance.pk})

    def _latest(self, instance: Any) -> State | None:
        found: State | None = self._versions(instance).order_by("-number").values().first()
        return found

    def _write(
        self, instance: Any, kind: str, state: State, latest: State | None, *, found: bool = False
    ) -> None:
        """Write a version. The row itself was checked when it was saved: what it points to may be
        gone by now, so that it is not checked again.
        """
        actor = current_actor()
        history: Any = getattr(type(instance), self.manager_name).model
        version = history(
            **state,
            number=(latest["number"] if latest else 0) + 1,
            history_date=timezone.now(),
            history_type=kind,
            history_change_reason=FOUND if found else current_reason(),
            history_user_id="" if found else actor.id,
            actor_kind=ActorKind.SYSTEM if found else actor.kind,
            actor_id="" if found else actor.id,
            actor_name="" if found else actor.name[:200],
            request_id=current_request_id(),
        )
        with _scope_of(instance, version):
            version.save_base(force_insert=True)


def _scope_of(instance: models.Model, version: Any) -> AbstractContextManager[None]:
    """The scope of the row, whose tenant becomes the version's; a tenant is its own."""
    if not isinstance(version, TenantModel):
        return nullcontext()
    tenant_id: UUID = getattr(instance, "tenant_id", None) or instance.pk
    version.tenant_id = tenant_id
    return tenant_scope(tenant_id)


def _state_of(instance: models.Model, columns: Collection[str]) -> State | None:
    """What the database holds of the row; locked, so that versions are numbered one by one."""
    rows = type(instance)._base_manager.filter(pk=instance.pk)
    if connection.in_atomic_block:
        rows = rows.select_for_update()
    return rows.values(*columns).first()


def _is_same(latest: State, state: State) -> bool:
    return all(latest[name] == value for name, value in state.items())


def versioned_models() -> list[Any]:
    """Every model whose rows have a history."""
    return [model for model in apps.get_models() if is_versioned(model)]


def is_versioned(model: type[models.Model]) -> bool:
    return hasattr(model._meta, "simple_history_manager_attribute")


@transaction.atomic
def forget_versions(before: datetime) -> int:
    """Delete what the tenant in scope had before, except how rows that it still has are since then;
    how many versions that were.
    """
    num_deleted = 0
    for model in versioned_models():
        versions: Any = model.history.model
        if not issubclass(versions, TenantModel):
            continue
        pk = model._meta.pk.attname
        newer = versions.objects.filter(**{pk: OuterRef(pk)}, number__gt=OuterRef("number"))
        old = versions.objects.filter(Q(Exists(newer)) | Q(history_type=DELETED))
        num_deleted += old.filter(history_date__lt=before).delete()[0]
    return num_deleted
