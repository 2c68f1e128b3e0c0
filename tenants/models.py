"""Whose house it is: tenants, what their tier allows, and who works for them."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import tenants.audit_models
import tenants.ticket_models
import tenants.usage_models  # noqa: F401 - Django finds more of the room's models there
from orkesta.crypto import SealedTextField
from orkesta.ids import uuid7
from tenants.allowance_cache import forget_allowances
from tenants.history import ConfigHistory
from tenants.key_models import ApiKey
from tenants.override_models import MAX_PRIORITY, MAX_RETENTION_DAYS, TierOverride
from tenants.scope import TenantModel
from tenants.time_zones import validate_time_zone

__all__ = [
    "ApiKey",
    "IdempotencyRecord",
    "Membership",
    "Tenant",
    "Tier",
    "TierOverride",
    "validate_slug",
]

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
validate_slug = RegexValidator(
    SLUG_PATTERN, _("Use small letters, digits and hyphens; begin and end with a letter or digit.")
)


class Tier(models.Model):
    """What a tenant may use. Limits are data: changing a row changes every tenant on it.

    An empty limit means unlimited.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(_("slug"), max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=100)
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"),
        default=600,
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    requests_per_minute_per_key = models.PositiveIntegerField(
        _("requests per minute and API key"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    requests_per_minute_per_session = models.PositiveIntegerField(
        _("requests per minute and session"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
    )
    requests_per_session = models.PositiveIntegerField(
        _("requests per session"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_concurrent_tasks = models.PositiveIntegerField(
        _("concurrent tasks"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_sockets = models.PositiveIntegerField(
        _("open WebSockets"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_sockets_per_user = models.PositiveIntegerField(
        _("open WebSockets per user"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("A user is whom a session names; without a name, the session."),
    )
    max_agents = models.PositiveIntegerField(
        _("agents"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_knowledge_megabytes = models.PositiveIntegerField(
        _("knowledge in megabytes"), null=True, blank=True
    )
    tokens_per_month = models.PositiveBigIntegerField(_("tokens per month"), null=True, blank=True)
    money_per_month = models.DecimalField(
        _("US dollars per month"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    retention_days = models.PositiveIntegerField(
        _("retention in days"), default=365, validators=[MaxValueValidator(MAX_RETENTION_DAYS)]
    )
    claim_priority = models.PositiveSmallIntegerField(
        _("priority of tasks"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_PRIORITY)],
        help_text=_(
            "From 1 to 10: its share of the workers. While others wait too, 10 gets twice as many"
            " turns as 5."
        ),
    )
    features = models.JSONField(
        _("features"), default=list, blank=True, help_text=_("None chosen means all.")
    )
    allowed_llms = models.JSONField(
        _("allowed LLMs"),
        default=list,
        blank=True,
        help_text=_("Names, such as gpt-5-mini or gpt-5*. None means all."),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"created_at"}, is_of_tenant=False)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget_allowances()


class Tenant(models.Model):
    """The business whose agents, conversations and data these are."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(
        _("slug"),
        max_length=63,
        unique=True,
        validators=[validate_slug],
        help_text=_("Part of the WebSocket address; it cannot change once clients use it."),
    )
    name = models.CharField(_("name"), max_length=200)
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, verbose_name=_("tier"))
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("An inactive tenant is refused at every door.")
    )
    language = models.CharField(
        _("language"), max_length=5, choices=settings.LANGUAGES, default="es"
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_time_zone]
    )
    business_context = models.TextField(
        _("business context"),
        blank=True,
        max_length=20_000,
        help_text=_("What every agent should know: opening hours, address, policies."),
    )
    # Every save of configuration bumps it; running workers compare it with their snapshot's.
    config_version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"config_version", "created_at"})

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget_allowances(self.id)


class Membership(TenantModel):
    """A person of the tenant's staff, who signs in to the admin."""

    class Role(models.TextChoices):
        OWNER = "owner", _("Owner: everything, members and keys included")
        EDITOR = "editor", _("Editor: agents, prompts and rules")
        VIEWER = "viewer", _("Viewer: reads conversations and tasks")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="memberships",
        verbose_name=_("user"),
    )
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.EDITOR)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once_per_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class IdempotencyRecord(TenantModel):
    """The answer given to a request that carried an `Idempotency-Key`."""

    owner = models.CharField(max_length=36, blank=True)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status_code = models.PositiveSmallIntegerField(default=0)
    body = SealedTextField()
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("idempotency record")
        verbose_name_plural = _("idempotency records")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "owner", "key"], name="idempotency_key_per_owner"
            )
        ]

    def __str__(self) -> str:
        return self.key
