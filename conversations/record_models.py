"""What is written down as it happens: the steps of tasks, and the events that watchers are told."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversations.states import StepKind, StepStatus
from orkesta.ids import uuid7
from prompts.models import PromptVersion
from tenants.scope import TenantModel


class Step(TenantModel):
    """One recorded fact inside a task. A finished step is never edited, and never runs again."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(
        "conversations.Task", on_delete=models.CASCADE, related_name="steps", verbose_name=_("task")
    )
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=10, choices=StepKind.choices)
    status = models.CharField(
        _("status"), max_length=10, choices=StepStatus.choices, default=StepStatus.SUCCEEDED
    )
    attempt = models.PositiveIntegerField(_("attempt"))
    agent_slug = models.CharField(_("agent"), max_length=63, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    input = models.JSONField(_("input"), default=dict)
    output = models.JSONField(_("output"), default=dict)
    # What the agent was told; of LLM calls only.
    prompt_version = models.ForeignKey(
        PromptVersion, on_delete=models.SET_NULL, null=True, related_name="steps"
    )
    llm = models.CharField(_("LLM"), max_length=100, blank=True)
    input_tokens = models.PositiveIntegerField(_("input tokens"), default=0)
    output_tokens = models.PositiveIntegerField(_("output tokens"), default=0)
    first_token_ms = models.FloatField(_("first token (ms)"), null=True)
    duration_ms = models.FloatField(_("duration (ms)"), default=0.0)
    started_at = models.DateTimeField(_("started at"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["task", "number"], name="step_number_per_task")
        ]
        indexes = [
            models.Index(
                fields=["prompt_version", "task"],
                condition=models.Q(prompt_version__isnull=False),
                name="step_of_prompt_version",
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}. {self.get_kind_display()}"


class Event(TenantModel):
    """A committed fact told to watchers; the rows of a session, by `seq`, are its whole story."""

    session = models.ForeignKey(
        "conversations.Session", on_delete=models.CASCADE, related_name="events"
    )
    task = models.ForeignKey(
        "conversations.Task", on_delete=models.CASCADE, null=True, related_name="events"
    )
    seq = models.PositiveBigIntegerField()
    type = models.CharField(max_length=40)
    data = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="event_place_in_session")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"
