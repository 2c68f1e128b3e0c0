"""What tasks ask of people, and what people said."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversations.states import Audience, InputKind, InputStatus
from orkesta.ids import uuid7
from tenants.scope import TenantModel


class InputRequest(TenantModel):
    """A task waits for a person: to answer a question, to approve a call, or to say what became of
    one that was cut off.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task = models.ForeignKey(
        "conversations.Task",
        on_delete=models.CASCADE,
        related_name="inputs",
        verbose_name=_("task"),
    )
    # The task's step that began with this request and ends with what was said.
    step_number = models.PositiveIntegerField(_("step"))
    kind = models.CharField(_("kind"), max_length=10, choices=InputKind.choices)
    question = models.TextField(_("question"))
    agent_slug = models.CharField(_("agent"), max_length=63, blank=True)
    tool_name = models.CharField(_("tool"), max_length=64, blank=True)
    arguments = models.JSONField(_("arguments"), default=dict)
    audience = models.CharField(
        _("who may answer"), max_length=10, choices=Audience.choices, default=Audience.STAFF
    )
    expires_at = models.DateTimeField(_("until"))
    status = models.CharField(
        _("status"), max_length=10, choices=InputStatus.choices, default=InputStatus.PENDING
    )
    answer = models.TextField(_("answer"), blank=True)
    answered_by = models.CharField(_("answered by"), max_length=200, blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("request to a person")
        verbose_name_plural = _("requests to people")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["task", "step_number"], name="input_one_per_step")
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=models.Q(status=InputStatus.PENDING),
                name="input_pending",
            ),
            models.Index(fields=["tenant", "-id"], name="input_recent"),
        ]

    def __str__(self) -> str:
        return self.question[:60]
