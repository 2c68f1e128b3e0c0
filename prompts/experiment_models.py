"""Trying a version of a prompt on a share of the sessions."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.scope import TenantModel


class Experiment(TenantModel):
    """A challenger that a share of the sessions is told, in place of the published version."""

    class Share(models.IntegerChoices):
        TENTH = 10, "10 %"
        HALF = 50, "50 %"
        ALL = 100, "100 %"

    class Ending(models.TextChoices):
        STOPPED = "stopped", _("Stopped")
        PUBLISHED = "published", _("Another version was published")
        WORSE = "worse", _("Taken back: it failed more often, beyond doubt")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    prompt = models.ForeignKey(
        "prompts.Prompt", on_delete=models.CASCADE, related_name="experiments"
    )
    baseline = models.ForeignKey(
        "prompts.PromptVersion", on_delete=models.CASCADE, related_name="+"
    )
    challenger = models.ForeignKey(
        "prompts.PromptVersion", on_delete=models.CASCADE, related_name="experiments"
    )
    share = models.PositiveSmallIntegerField(_("share"), choices=Share.choices)
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=10, choices=Ending.choices, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("experiment")
        verbose_name_plural = _("experiments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt"],
                condition=models.Q(ended_at=None),
                name="experiment_one_running_per_prompt",
            )
        ]

    def __str__(self) -> str:
        return f"{self.challenger} {self.share} %"
