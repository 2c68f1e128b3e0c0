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
    BUDGET_ALERT = "budget.alert", _("Budget nearly or wholly spent")
    KEY_LEAKED = "key.leaked", _("API key found in public and revoked")
    KEY_EXPIRING = "key.expiring", _("API key ends within a day")
