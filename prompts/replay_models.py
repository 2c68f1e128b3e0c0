"""Replays: real messages once more, under a version that nobody is told yet."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from prompts.run_models import DraftRun, RunStatus
from tenants.scope import TenantModel


class ReplayOutcome(models.TextChoices):
    """What became of one message. FAILED: nobody could answer it."""

    PENDING = "pending", _("Waiting")
    SAME = "same", _("Same agent")
    CHANGED = "changed", _("Another agent")
    FELL_BACK = "fell_back", _("Fell back")
    FAILED = "failed", _("No answer")


class PromptReplay(DraftRun):
    """The last messages of a prompt's agents under one of its versions, and how that went."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(
        "prompts.PromptVersion", on_delete=models.CASCADE, related_name="replays"
    )
    estimated_nano = models.BigIntegerField(null=True)
    num_same = models.PositiveIntegerField(default=0)
    num_changed = models.PositiveIntegerField(default=0)
    num_fell_back = models.PositiveIntegerField(default=0)
    num_failed = models.PositiveIntegerField(default=0)
    # Answers that are the same, word for word.
    num_equal = models.PositiveIntegerField(default=0)
    # Of the messages that are done, so that old and new speak of the same ones.
    old_tokens = models.PositiveBigIntegerField(default=0)
    new_tokens = models.PositiveBigIntegerField(default=0)
    old_cost_nano = models.BigIntegerField(default=0)
    new_cost_nano = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["touched_at"],
                condition=models.Q(status=RunStatus.RUNNING),
                name="replay_running",
            )
        ]

    def __str__(self) -> str:
        return f"{self.num_done}/{self.num_parts}"


class PromptReplayMessage(TenantModel):
    """One message of a replay. It is deleted along with the session that it is from."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    replay = models.ForeignKey(PromptReplay, on_delete=models.CASCADE, related_name="messages")
    position = models.PositiveIntegerField()
    # Tasks and sessions live a few storeys above.
    task_id = models.UUIDField()
    session_id = models.UUIDField(db_index=True)
    outcome = models.CharField(
        max_length=10, choices=ReplayOutcome.choices, default=ReplayOutcome.PENDING
    )
    message = models.TextField()
    asked_at = models.DateTimeField()
    old_agent = models.CharField(max_length=63, blank=True)
    old_answer = models.TextField(blank=True)
    old_tokens = models.PositiveIntegerField(default=0)
    old_cost_nano = models.BigIntegerField(default=0)
    new_agent = models.CharField(max_length=63, blank=True)
    new_answer = models.TextField(blank=True)
    new_tokens = models.PositiveIntegerField(default=0)
    new_cost_nano = models.BigIntegerField(default=0)
    # [{name, arguments, source: recorded|not_made}]
    calls = models.JSONField(default=list)
    problem = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("replayed message")
        verbose_name_plural = _("replayed messages")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["replay", "position"], name="replay_position")
        ]

    def __str__(self) -> str:
        return self.message[:60]
