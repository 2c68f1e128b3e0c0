"""What is different for one tenant than its tier says, within the bounds of tiers."""

from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.allowance_rows import AllowanceRow
from tenants.history import ConfigHistory

#: A century; dates end somewhere, and who cleans up must be able to say since when.
MAX_RETENTION_DAYS: Final = 36_500
MAX_PRIORITY: Final = 10


class TierOverride(AllowanceRow):
    """One limit of a tenant's tier that is different for this tenant, for a reason and a time."""

    class Limit(models.TextChoices):
        """Names of the tier's columns."""

        REQUESTS_PER_MINUTE = "requests_per_minute", _("requests per minute")
        PER_KEY = "requests_per_minute_per_key", _("requests per minute and API key")
        PER_SESSION = "requests_per_minute_per_session", _("requests per minute and session")
        REQUESTS_PER_SESSION = "requests_per_session", _("requests per session")
        CONCURRENT_TASKS = "max_concurrent_tasks", _("concurrent tasks")
        SOCKETS = "max_sockets", _("open WebSockets")
        SOCKETS_PER_USER = "max_sockets_per_user", _("open WebSockets per user")
        AGENTS = "max_agents", _("agents")
        KNOWLEDGE = "max_knowledge_megabytes", _("knowledge in megabytes")
        TOKENS = "tokens_per_month", _("tokens per month")
        MONEY = "money_per_month", _("US dollars per month")
        RETENTION = "retention_days", _("retention in days")
        PRIORITY = "claim_priority", _("priority of tasks")
        FEATURES = "features", _("features")
        LLMS = "allowed_llms", _("allowed LLMs")

    #: Those that are lists of names, and not numbers.
    LISTS: Final = frozenset({Limit.FEATURES, Limit.LLMS})
    #: Those that are never unlimited: from how much to how much they go.
    BOUNDED: Final[dict[str, tuple[int, int]]] = {
        Limit.RETENTION: (0, MAX_RETENTION_DAYS),
        Limit.PRIORITY: (1, MAX_PRIORITY),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    limit = models.CharField(_("limit"), max_length=40, choices=Limit.choices)
    value = models.DecimalField(
        _("value"),
        max_digits=16,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Empty: unlimited."),
    )
    names = models.JSONField(
        _("names"), default=list, blank=True, help_text=_("Of a list. None means all.")
    )
    reason = models.CharField(_("reason"), max_length=500)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"created_by", "created_at"})

    class Meta:
        verbose_name = _("tier override")
        verbose_name_plural = _("tier overrides")
        ordering = ["limit"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "limit"], name="tier_override_once_per_limit")
        ]

    def __str__(self) -> str:
        return self.get_limit_display()

    def clean(self) -> None:
        super().clean()
        bounds = self.BOUNDED.get(self.limit)
        if bounds is None:
            return
        lowest, highest = bounds
        if self.value is None or not lowest <= self.value <= highest:
            error = _("Write a number from %(lowest)d to %(highest)d.")
            params = {"lowest": lowest, "highest": highest}
            raise ValidationError({"value": ValidationError(error, params=params)})
