"""What people think of answers."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from prompts.models import PromptVersion
from tenants.scope import TenantModel


class Feedback(TenantModel):
    """One person's opinion of one answer; whoever thinks again changes theirs."""

    class Rating(models.TextChoices):
        UP = "up", _("Helpful")
        DOWN = "down", _("Not helpful")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message = models.ForeignKey(
        "conversations.Message",
        on_delete=models.CASCADE,
        related_name="feedback",
        verbose_name=_("message"),
    )
    user_ref = models.CharField(_("customer"), max_length=200, blank=True)
    rating = models.CharField(_("rating"), max_length=4, choices=Rating.choices)
    comment = models.TextField(_("comment"), blank=True, max_length=2000)
    # What the agent had been told when it answered.
    prompt_version = models.ForeignKey(
        PromptVersion, on_delete=models.SET_NULL, null=True, related_name="feedback"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["message", "user_ref"], name="feedback_one_per_person")
        ]

    def __str__(self) -> str:
        return f"{self.get_rating_display()}: {self.comment[:60]}"
