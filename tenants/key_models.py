"""With what a tenant's programs sign in."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.scope import TenantModel


class ApiKey(TenantModel):
    """A tenant's credential. The secret is shown once and kept only as a keyed digest."""

    class RevokedBecause(models.TextChoices):
        BY_HAND = "by_hand", _("by hand")
        LEAKED = "leaked", _("somebody found it in public")

    class Unusual(models.TextChoices):
        ADDRESS = "address", _("from a new network")
        RATE = "rate", _("far more often than usual")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    kid = models.CharField(_("key id"), max_length=12, unique=True, editable=False)
    hint = models.CharField(_("ends in"), max_length=4, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    pepper_fingerprint = models.CharField(max_length=8, editable=False)
    is_live = models.BooleanField(default=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)
    revoked_because = models.CharField(
        _("reason"), max_length=10, choices=RevokedBecause.choices, blank=True, editable=False
    )
    agents = models.JSONField(
        _("agents"), default=list, blank=True, help_text=_("None chosen means all.")
    )
    addresses = models.JSONField(
        _("addresses"),
        default=list,
        blank=True,
        help_text=_("Networks such as 203.0.113.0/24. None means anywhere."),
    )
    replaced_by = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="replaces",
        verbose_name=_("replaced by"),
    )
    replaced_at = models.DateTimeField(_("replaced at"), null=True, editable=False)
    # The end of which its tenant has been told.
    told_expiry = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    last_used_address = models.GenericIPAddressField(_("last used from"), null=True, editable=False)
    # Where it has been used from, oldest first, and how often in a usual minute: what is unusual.
    known_ranges = models.JSONField(default=list, editable=False)
    usual_calls = models.FloatField(default=0.0, editable=False)
    unusual_at = models.DateTimeField(_("unusual use at"), null=True, editable=False)
    unusual_what = models.CharField(
        _("unusual use"), max_length=10, choices=Unusual.choices, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"

    @property
    def shown(self) -> str:
        """What may be shown of the key: enough to recognise it, useless to anybody else."""
        return f"ork_{'live' if self.is_live else 'test'}_{self.kid}_…{self.hint}"

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and (
            self.expires_at is None or self.expires_at > timezone.now()
        )
