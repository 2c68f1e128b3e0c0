"""What a durable run of a draft is: work of many parts that outlives the process that does it."""

from typing import Final

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.scope import TenantModel


class RunStatus(models.TextChoices):
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


#: Nothing more will happen to these by themselves.
ENDED: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class DraftRun(TenantModel):
    """Its parts are done one by one; `num_done` of them are written. `attempt` and `lease_until`
    say whose turn it is, as they do of tasks, and every write is fenced by them.
    """

    status = models.CharField(
        _("status"), max_length=10, choices=RunStatus.choices, default=RunStatus.RUNNING
    )
    reason = models.CharField(max_length=63, blank=True)
    # Of the text that is tried: a draft may be edited afterwards.
    digest = models.CharField(max_length=64)
    num_parts = models.PositiveIntegerField(default=0)
    num_done = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0)
    # Deaths of processes since the last part that was written.
    num_crashes = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    # When the last part was done, so that all runs get their turns.
    touched_at = models.DateTimeField(default=timezone.now)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_running(self) -> bool:
        return self.status == RunStatus.RUNNING

    @property
    def is_unfinished(self) -> bool:
        return self.status in {RunStatus.RUNNING, RunStatus.PAUSED}
