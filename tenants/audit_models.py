"""Who did what to a tenant's configuration, keys and tasks: rows that nobody changes.

A trigger of the database refuses UPDATE and DELETE, whoever asks. Actors and objects are named, not
referred to, so that an entry outlives them.
"""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.scope import TenantModel


class AuditAction(models.TextChoices):
    CREATED = "created", _("created")
    CHANGED = "changed", _("changed")
    DELETED = "deleted", _("deleted")
    RESTORED = "restored", _("version restored")
    KEY_ISSUED = "key_issued", _("key issued")
    KEY_ROTATED = "key_rotated", _("key rotated")
    KEY_REVOKED = "key_revoked", _("key revoked")
    PUBLISHED = "published", _("version published")
    APPROVED = "approved", _("change approved")
    BUDGET_SET = "budget_set", _("budget set")
    TASK_CANCELLED = "task_cancelled", _("task cancelled")
    TASK_PAUSED = "task_paused", _("task paused")
    TASK_RESUMED = "task_resumed", _("task resumed")
    TASK_FORKED = "task_forked", _("task taken up anew")


class ActorKind(models.TextChoices):
    USER = "user", _("person")
    KEY = "key", _("API key")
    SYSTEM = "system", _("system")


class AuditRow(models.Model):
    """One act. `changes` maps a field to what it was and what it is; `chain` seals the entry and
    all before it (`tenants.audit_chain`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    seq = models.PositiveBigIntegerField(_("number"))
    at = models.DateTimeField(_("when"), default=timezone.now)
    actor_kind = models.CharField(_("kind of actor"), max_length=10, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(_("who"), max_length=200, blank=True)
    action = models.CharField(_("what"), max_length=20, choices=AuditAction.choices)
    object_type = models.CharField(_("kind"), max_length=100)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(_("of what"), max_length=200)
    changes = models.JSONField(_("changes"), default=dict)
    reason = models.CharField(_("why"), max_length=200, blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)
    address = models.GenericIPAddressField(_("address"), null=True)
    chain = models.CharField(_("seal"), max_length=80, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.seq}: {self.get_action_display()} {self.object_name}"


class AuditEntry(AuditRow, TenantModel):
    """One act on what is a tenant's."""

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "seq"], name="audit_seq_once_per_tenant")
        ]


class InstallationEntry(AuditRow):
    """One act on what belongs to no tenant: tiers, and people who sign in."""

    class Meta:
        verbose_name = _("audit entry of the installation")
        verbose_name_plural = _("audit log of the installation")
        constraints = [models.UniqueConstraint(fields=["seq"], name="installation_audit_seq_once")]
