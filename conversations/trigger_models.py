"""What sets work going from outside, and who is told when it ends: schedules and webhooks."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversations.triggers.cron import explain, validate_cron
from conversations.triggers.events import WebhookEvent
from conversations.triggers.validators import (
    validate_event_types,
    validate_message_template,
    validate_webhook_url,
)
from orkesta.crypto import SealedTextField
from orkesta.ids import uuid7
from routing.models import Agent
from tenants.history import ConfigHistory
from tenants.scope import TenantModel
from tenants.time_zones import validate_time_zone


class Schedule(TenantModel):
    """A message that is posted by the clock, into a session of the schedule's own."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    cron = models.CharField(
        _("when"),
        max_length=100,
        validators=[validate_cron],
        help_text=_("Minute, hour, day, month, weekday: “0 9 * * MON-FRI” is 9:00 on weekdays."),
    )
    time_zone = models.CharField(_("time zone"), max_length=64, validators=[validate_time_zone])
    message = models.TextField(_("message"), max_length=32_000)
    agent = models.ForeignKey(
        Agent,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("agent"),
        help_text=_("Empty: rules and the supervisor decide, as for any message."),
    )
    context = models.JSONField(
        _("context"), default=dict, blank=True, help_text=_("Business facts for the agent.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    session = models.ForeignKey(
        "conversations.Session",
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("session"),
    )
    next_due_at = models.DateTimeField(_("next"), null=True, editable=False)
    last_fired_at = models.DateTimeField(_("last"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"session", "next_due_at", "last_fired_at", "created_at"})

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["name"]
        indexes = [
            models.Index(
                fields=["next_due_at"],
                condition=models.Q(is_active=True),
                name="schedule_due",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def explanation(self) -> str:
        """When it fires, in English words; empty while `cron` is not valid."""
        words = explain(self.cron)
        return f"{words}, {self.time_zone}" if words else ""


class ScheduleRun(TenantModel):
    """One due time of a schedule, and what came of it. The row is the right to fire: there is one
    per due time, written in the transaction that posts the message.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schedule = models.ForeignKey(
        Schedule, on_delete=models.CASCADE, related_name="runs", verbose_name=_("schedule")
    )
    due_at = models.DateTimeField(_("due at"))
    fired_at = models.DateTimeField(_("fired at"), default=timezone.now)
    num_skipped = models.PositiveIntegerField(_("due times missed before it"), default=0)
    task = models.ForeignKey(
        "conversations.Task",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("task"),
    )
    error_code = models.CharField(_("error"), max_length=63, blank=True)

    class Meta:
        verbose_name = _("run of a schedule")
        verbose_name_plural = _("runs of schedules")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="schedule_run_once")
        ]
        indexes = [models.Index(fields=["fired_at"], name="schedule_run_age")]

    def __str__(self) -> str:
        return f"{self.due_at:%Y-%m-%d %H:%M}"


class InboundWebhook(TenantModel):
    """An address at which another system launches tasks: `POST /hooks/{token}`, signed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    token_hint = models.CharField(_("address ends in"), max_length=4, editable=False)
    sealed_secret = SealedTextField()
    agent = models.ForeignKey(
        Agent,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("agent"),
        help_text=_("Empty: rules and the supervisor decide, as for any message."),
    )
    message_template = models.TextField(
        _("message"),
        max_length=20_000,
        validators=[validate_message_template],
        help_text=_("A template over what was sent: “New order {{ body.order.id }}”."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"token_digest", "last_used_at", "created_at"})

    class Meta:
        verbose_name = _("inbound webhook")
        verbose_name_plural = _("inbound webhooks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class InboundReceipt(TenantModel):
    """A call that an inbound webhook has obeyed; its sender's id is not obeyed again for a day."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(InboundWebhook, on_delete=models.CASCADE, related_name="receipts")
    message_id = models.CharField(max_length=255)
    task = models.ForeignKey(
        "conversations.Task", on_delete=models.CASCADE, null=True, related_name="+"
    )
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("receipt of an inbound webhook")
        verbose_name_plural = _("receipts of inbound webhooks")
        constraints = [
            models.UniqueConstraint(fields=["webhook", "message_id"], name="inbound_receipt_once")
        ]
        indexes = [models.Index(fields=["received_at"], name="inbound_receipt_age")]

    def __str__(self) -> str:
        return self.message_id


class WebhookEndpoint(TenantModel):
    """An address of the tenant's that is told how tasks end."""

    class DisabledReason(models.TextChoices):
        NONE = "", _("Not disabled")
        GONE = "gone", _("It answered 410: it wants no more calls")
        EXHAUSTED = "exhausted", _("Nothing got through for three days")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=100)
    url = models.CharField(_("address"), max_length=2048, validators=[validate_webhook_url])
    event_types = models.JSONField(_("events"), default=list, validators=[validate_event_types])
    sealed_secret = SealedTextField()
    # While a secret is being rotated both sign, so that the receiver can change over at leisure.
    sealed_previous_secret = SealedTextField()
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    disabled_reason = models.CharField(
        _("disabled because"),
        max_length=10,
        choices=DisabledReason.choices,
        default=DisabledReason.NONE,
        blank=True,
        editable=False,
    )
    disabled_at = models.DateTimeField(_("disabled at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"previous_secret_until", "created_at"})

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(TenantModel):
    """One event for one endpoint: written in the event's transaction, sent until it arrives."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint,
        on_delete=models.CASCADE,
        related_name="deliveries",
        verbose_name=_("webhook"),
    )
    event_type = models.CharField(_("event"), max_length=40, choices=WebhookEvent.choices)
    # The very bytes, so that every try sends the same.
    body = models.TextField(_("body"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    # Numbers claims and fences their writes; `num_tries` counts those that came to an end, since
    # the last replay.
    attempt = models.PositiveIntegerField(default=0, editable=False)
    num_tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"), null=True, default=timezone.now)
    lease_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    settled_at = models.DateTimeField(_("settled at"), null=True, editable=False)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="delivery_recent"),
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(status="pending"),
                name="delivery_due",
            ),
            models.Index(fields=["settled_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return self.webhook_id

    @property
    def webhook_id(self) -> str:
        """What the receiver knows it by; the same in every try."""
        return f"msg_{self.id.hex}"


class DeliveryTry(TenantModel):
    """One request that was made for a delivery, and its answer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    attempt = models.PositiveIntegerField(_("attempt"))
    tried_at = models.DateTimeField(_("tried at"), default=timezone.now)
    response_status = models.PositiveSmallIntegerField(_("status"), null=True)
    duration_ms = models.FloatField(_("duration (ms)"))
    error_code = models.CharField(_("error"), max_length=63, blank=True)
    # At most 1,024 bytes of the answer.
    response_excerpt = models.TextField(_("answer"), blank=True)

    class Meta:
        verbose_name = _("try of a delivery")
        verbose_name_plural = _("tries of deliveries")
        ordering = ["attempt"]

    def __str__(self) -> str:
        return f"{self.attempt}. {self.response_status or self.error_code}"
