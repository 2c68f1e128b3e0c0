"""The events that webhooks can be told of."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class WebhookEvent(models.TextChoices):
    TASK_COMPLETED = "task.completed", _("Task completed")
    TASK_FAILED = "task.failed", _("Task failed")
    TASK_CANCELLED = "task.cancelled", _("Task cancelled")
    TASK_INPUT_REQUIRED = "task.input_required", _("Task waits for a person")
    TASK_PAUSED = "task.paused", _("Task paused")
    BATCH_FINISHED = "batch.finished", _("Batch finished")
