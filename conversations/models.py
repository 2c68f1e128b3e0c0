"""What is said, and the work it sets going. All of it is history: written by services and the
engine, viewed everywhere else.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import conversations.feedback_models
import conversations.input_models
import conversations.trigger_models  # noqa: F401 - Django finds more of the room's models there
from conversations.record_models import Event, Step
from conversations.states import TERMINAL, UNFINISHED, SessionStatus, TaskStatus, Wanted
from orkesta.ids import uuid7
from routing.models import Agent
from tenants.models import ApiKey
from tenants.scope import TenantModel

__all__ = ["Batch", "Event", "Message", "Session", "Step", "Task", "session_expiry"]


def session_expiry() -> datetime:
    """When a session that is active now expires."""
    return timezone.now() + timedelta(hours=settings.ORKESTA_SESSION_TTL_HOURS)


class Session(TenantModel):
    """One conversation: its messages, its tasks, and the numbered log of its events."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=SessionStatus.choices, default=SessionStatus.OPEN
    )
    active_agent = models.ForeignKey(
        Agent,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("active agent"),
    )
    last_intent = models.CharField(
        _("last intent"), max_length=63, blank=True, default="", db_default=""
    )
    user_ref = models.CharField(_("customer"), max_length=200, blank=True)
    user_name = models.CharField(_("customer's name"), max_length=200, blank=True)
    context = models.JSONField(_("context"), default=dict, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    # What was said up to this turn, in a few words.
    summary = models.TextField(_("summary"), blank=True, editable=False)
    summary_turn = models.PositiveBigIntegerField(default=0, editable=False)
    opened_by = models.ForeignKey(
        ApiKey, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("opened by")
    )
    # Number of the newest durable event; handed out under the lock of this row, so the order of
    # numbers is the order of commits.
    last_seq = models.PositiveBigIntegerField(default=0, editable=False)
    num_messages = models.PositiveIntegerField(_("messages"), default=0, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    last_activity_at = models.DateTimeField(_("last activity"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"), default=session_expiry)
    closed_at = models.DateTimeField(_("closed at"), null=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["tenant", "-last_activity_at"], name="session_recent"),
            models.Index(fields=["status", "expires_at"], name="session_expiry"),
        ]

    def __str__(self) -> str:
        return self.user_name or self.user_ref or str(self.id)


class Batch(TenantModel):
    """Many requests that were made in one call, and are counted and cancelled as one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=200, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    opened_by = models.ForeignKey(
        ApiKey, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("opened by")
    )
    num_requests = models.PositiveIntegerField(_("requests"), editable=False)
    # Counted down in the transaction that ends a task; 0 is the end of the batch.
    num_unfinished = models.PositiveIntegerField(_("unfinished"), editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        ordering = ["-id"]
        indexes = [models.Index(fields=["tenant", "-id"], name="batch_recent")]

    def __str__(self) -> str:
        return self.name or str(self.id)


class Task(TenantModel):
    """The durable unit of work that a message sets going. This row is the truth about it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="tasks", verbose_name=_("session")
    )
    question = models.ForeignKey(
        "Message",
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        verbose_name=_("question"),
    )
    forked_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="forks",
        verbose_name=_("forked from"),
    )
    batch = models.ForeignKey(
        Batch,
        on_delete=models.SET_NULL,
        null=True,
        related_name="tasks",
        verbose_name=_("batch"),
    )
    # Of a branch: the task whose plan it is part of, and which waits for it.
    parent = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        related_name="branches",
        verbose_name=_("branch of"),
        # An index of all rows would have to be kept up with every message.
        db_index=False,
    )
    # Place in the session's log. A task waits for every unfinished one before it.
    seq = models.PositiveBigIntegerField(editable=False)
    # Place of its question; a fork answers the question of another task.
    turn = models.PositiveBigIntegerField(editable=False)
    status = models.CharField(
        _("status"), max_length=14, choices=TaskStatus.choices, default=TaskStatus.QUEUED
    )
    wanted = models.CharField(
        _("wanted"), max_length=6, choices=Wanted.choices, default=Wanted.NOTHING, blank=True
    )
    priority = models.PositiveSmallIntegerField(_("priority"), default=5)
    agent_slug = models.CharField(_("asked for agent"), max_length=63, blank=True)
    context = models.JSONField(_("context"), default=dict, blank=True)
    # Agents are told the version that carries it, where their prompt has it.
    prompt_label = models.CharField(
        _("prompt label"), max_length=63, blank=True, default="", db_default=""
    )
    # Which instructions agents are told; empty: those of their prompt's type.
    task_type = models.CharField(
        _("task type"), max_length=50, blank=True, default="", db_default=""
    )
    # Of a workflow: the agents that answer in turn, [{"agent": slug, "instruction": text}], and
    # among them groups of those that work at the same time, {"parallel": [...]}.
    plan = models.JSONField(_("plan"), default=list, blank=True)
    # Of a branch: what it found. The answers of other tasks are messages.
    finding = models.TextField(_("finding"), blank=True, default="", db_default="")

    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    num_crashes = models.PositiveSmallIntegerField(_("crashes"), default=0)
    worker = models.CharField(_("worker"), max_length=100, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    available_at = models.DateTimeField(_("not before"), default=timezone.now)
    num_steps = models.PositiveIntegerField(_("steps"), default=0)

    error_code = models.CharField(_("error"), max_length=63, blank=True)
    error_detail = models.TextField(_("error detail"), blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started at"), null=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="task_place_in_session")
        ]
        indexes = [
            models.Index(fields=["tenant", "-id"], name="task_recent"),
            models.Index(
                fields=["tenant", "-priority", "id"],
                condition=models.Q(status=TaskStatus.QUEUED),
                name="task_waiting",
            ),
            models.Index(
                fields=["tenant"],
                condition=models.Q(status=TaskStatus.PROCESSING),
                name="task_running",
            ),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(status=TaskStatus.PROCESSING),
                name="task_leased",
            ),
            models.Index(
                fields=["session", "seq"],
                condition=models.Q(status__in=sorted(UNFINISHED)),
                name="task_unfinished",
            ),
            models.Index(
                fields=["parent", "seq"],
                condition=models.Q(parent__isnull=False),
                name="task_branches",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.get_status_display()})"

    @property
    def is_terminal(self) -> bool:
        return TaskStatus(self.status) in TERMINAL

    @property
    def is_degraded(self) -> bool:
        """Whether nobody could answer, and the customer was told so politely."""
        return self.status == TaskStatus.COMPLETED and bool(self.error_code)


class Message(TenantModel):
    """One utterance of a session."""

    class Role(models.TextChoices):
        USER = "user", _("Customer")
        ASSISTANT = "assistant", _("Agent")
        SYSTEM = "system", _("System")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="messages", verbose_name=_("session")
    )
    task = models.ForeignKey(
        Task, on_delete=models.SET_NULL, null=True, related_name="messages", verbose_name=_("task")
    )
    seq = models.PositiveBigIntegerField(editable=False)
    # A question and its answers share it, however many messages arrived between them; history is
    # read by it.
    turn = models.PositiveBigIntegerField(editable=False)
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)
    content = models.TextField(_("content"))
    agent_slug = models.CharField(_("agent"), max_length=63, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="message_place_in_session"),
            models.UniqueConstraint(
                fields=["task"],
                condition=models.Q(role="assistant"),
                name="message_one_answer_per_task",
            ),
        ]
        indexes = [models.Index(fields=["session", "-turn", "-seq"], name="message_history")]

    def __str__(self) -> str:
        return self.content[:60]
