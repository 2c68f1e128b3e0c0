"""What agents are told: prompts, and their numbered versions."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from tenants.models import validate_slug
from tenants.scope import TenantModel


class Prompt(TenantModel):
    """The slot that agents point to; what is said stands in its versions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(_("slug"), max_length=63, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=100)
    task_type = models.CharField(_("task type"), max_length=50, default="conversation")
    description = models.TextField(_("description"), blank=True, max_length=2000)
    variables = models.JSONField(
        _("variables"),
        default=list,
        blank=True,
        help_text=_("Declared variables: name, type, default and sample of each."),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="prompt_slug_per_tenant")
        ]

    def __str__(self) -> str:
        return self.name


class PromptVersion(TenantModel):
    """One numbered text of a prompt. A draft can be edited; once published it never changes."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        RETIRED = "retired", _("Retired")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    prompt = models.ForeignKey(
        Prompt, on_delete=models.CASCADE, related_name="versions", verbose_name=_("prompt")
    )
    number = models.PositiveIntegerField(_("number"), editable=False)
    source = models.TextField(_("text"), max_length=32_768)
    notes = models.CharField(_("notes"), max_length=500, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    num_tokens = models.PositiveIntegerField(_("tokens"), default=0, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    published_at = models.DateTimeField(_("published at"), null=True, editable=False)

    class Meta:
        verbose_name = _("prompt version")
        verbose_name_plural = _("prompt versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "number"], name="prompt_version_number"),
            models.UniqueConstraint(
                fields=["prompt"],
                condition=models.Q(status="published"),
                name="prompt_one_published_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt} v{self.number}"
