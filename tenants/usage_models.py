"""What was used and what it cost: a row per call, sums per day, prices and the month's budget.

Money is counted in whole billionths of a US dollar: sums are exact in every database, and the
cheapest cached token there is still costs several of them.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.allowance_rows import AllowanceRow
from tenants.history import ConfigHistory
from tenants.scope import TenantModel


class CallKind(models.TextChoices):
    LLM = "llm", _("LLM")
    EMBEDDING = "embedding", _("Embedding")
    TOOL = "tool", _("Tool")
    REPLAY = "replay", _("Replay")


class PriceSource(models.TextChoices):
    """Where a price was found. An unknown one is assumed, never zero."""

    OVERRIDE = "override", _("Own price")
    CATALOGUE = "catalogue", _("Price list")
    BUILT_IN = "built_in", _("Built in, free")
    UNKNOWN = "unknown", _("Unknown, assumed")


class UsageRecord(TenantModel):
    """One call of an LLM, an embedding or a tool, with its price as it was then.

    It outlives the session and the task it speaks of, hence ids and no foreign keys.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=CallKind.choices)
    session_id = models.UUIDField(null=True)
    task_id = models.UUIDField(null=True)
    step_number = models.PositiveIntegerField(default=0)
    key_id = models.UUIDField(null=True)
    agent_slug = models.CharField(_("agent"), max_length=63, blank=True)
    llm = models.CharField(_("LLM"), max_length=100, blank=True)
    endpoint = models.CharField(_("LLM endpoint"), max_length=100, blank=True)
    input_tokens = models.PositiveIntegerField(_("input tokens"), default=0)
    cached_tokens = models.PositiveIntegerField(_("cached tokens"), default=0)
    output_tokens = models.PositiveIntegerField(_("output tokens"), default=0)
    cost_nano = models.BigIntegerField(_("cost"), default=0)
    # US dollars per million tokens, as they were at the time of the call.
    input_price = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    cached_price = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    output_price = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    price_source = models.CharField(_("price"), max_length=10, choices=PriceSource.choices)
    is_estimated = models.BooleanField(_("estimated"), default=False)
    duration_ms = models.FloatField(_("duration (ms)"), default=0.0)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    # The day it was where the tenant is.
    day = models.DateField(_("day"))
    is_counted = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage records")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "day"], name="usage_by_day"),
            models.Index(fields=["session_id"], name="usage_by_session"),
            models.Index(
                fields=["tenant"],
                condition=models.Q(is_counted=False),
                name="usage_uncounted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.llm}"


class UsageDay(TenantModel):
    """The records of a day that are alike, summed. Made from records alone; can be made again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    day = models.DateField(_("day"))
    kind = models.CharField(_("kind"), max_length=10, choices=CallKind.choices)
    agent_slug = models.CharField(_("agent"), max_length=63, blank=True)
    llm = models.CharField(_("LLM"), max_length=100, blank=True)
    # The id of the key, or empty: two NULLs would not be the same to a unique constraint.
    key = models.CharField(_("API key"), max_length=36, blank=True)
    price_source = models.CharField(_("price"), max_length=10, choices=PriceSource.choices)
    is_estimated = models.BooleanField(_("estimated"), default=False)
    num_calls = models.PositiveIntegerField(_("calls"), default=0)
    input_tokens = models.PositiveBigIntegerField(_("input tokens"), default=0)
    cached_tokens = models.PositiveBigIntegerField(_("cached tokens"), default=0)
    output_tokens = models.PositiveBigIntegerField(_("output tokens"), default=0)
    cost_nano = models.BigIntegerField(_("cost"), default=0)
    duration_ms = models.FloatField(_("duration (ms)"), default=0.0)

    class Meta:
        verbose_name = _("usage of a day")
        verbose_name_plural = _("usage and budget")
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "tenant",
                    "day",
                    "kind",
                    "agent_slug",
                    "llm",
                    "key",
                    "price_source",
                    "is_estimated",
                ],
                name="usage_day_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.llm}"


class LLMPrice(AllowanceRow):
    """What an LLM costs this tenant, in US dollars per million tokens; goes before every list."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    llm = models.CharField(_("LLM"), max_length=100)
    input_price = models.DecimalField(
        _("input"), max_digits=14, decimal_places=6, validators=[MinValueValidator(0)]
    )
    cached_price = models.DecimalField(
        _("cached input"),
        max_digits=14,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Empty: as much as other input."),
    )
    output_price = models.DecimalField(
        _("output"), max_digits=14, decimal_places=6, validators=[MinValueValidator(0)]
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"created_at"})

    class Meta:
        verbose_name = _("LLM price")
        verbose_name_plural = _("LLM prices")
        ordering = ["llm"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "llm"], name="llm_price_once_per_llm")
        ]

    def __str__(self) -> str:
        return self.llm


class Budget(AllowanceRow):
    """What the tenant itself wants to spend in a month; its tier may allow less, never more."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    money_per_month = models.DecimalField(
        _("US dollars per month"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Empty: no budget of your own."),
    )
    is_hard = models.BooleanField(
        _("pause at the limit"),
        default=True,
        help_text=_("Tasks pause until somebody raises the budget. Otherwise it only warns."),
    )
    alert_percent = models.PositiveSmallIntegerField(
        _("warn at percent"),
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    # The month for which a warning has been given, and of how many percent.
    alerted_month = models.DateField(null=True, editable=False)
    alerted_percent = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints = [models.UniqueConstraint(fields=["tenant"], name="budget_one_per_tenant")]

    def __str__(self) -> str:
        return str(self.money_per_month)
