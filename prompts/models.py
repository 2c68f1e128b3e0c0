"""What agents are told: prompts, and their numbered versions."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

import prompts.case_models  # models that Django has to find
import prompts.experiment_models
import prompts.replay_models  # noqa: F401
from orkesta.ids import uuid7
from tenants.history import ConfigHistory
from tenants.models import validate_slug
from tenants.scope import TenantModel


class Prompt(TenantModel):
    """The slot that agents point to, or a block that such prompts share; what is said stands in its
    versions.
    """

    class Kind(models.TextChoices):
        PROMPT = "prompt", _("Prompt of agents")
        PERSONALITY = "personality", _("Block: personality")
        INSTRUCTIONS = "instructions", _("Block: task instructions")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(_("slug"), max_length=63, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.PROMPT)
    task_type = models.CharField(
        _("task type"),
        max_length=50,
        default="conversation",
        help_text=_(
            "Task instructions are told to tasks of this type alone. Of a prompt of agents: what"
            " its tasks are when nobody says."
        ),
    )
    description = models.TextField(_("description"), blank=True, max_length=2000)
    variables = models.JSONField(
        _("variables"),
        default=list,
        blank=True,
        help_text=_("Declared variables: name, type, default and sample of each."),
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    history = ConfigHistory(excluded={"created_at"})

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="prompt_slug_per_tenant")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_block(self) -> bool:
        return self.kind != self.Kind.PROMPT


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
    # The text with its blocks filled in, as it was when it was saved; empty when it has none.
    composed = models.TextField(blank=True, editable=False)
    # What tasks of other types than the prompt's are told instead, by type.
    variants = models.JSONField(default=dict, editable=False)
    # Declarations of the variables it was checked against, its blocks' included.
    variables = models.JSONField(default=list, editable=False)
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

    @property
    def is_challenger(self) -> bool:
        """Whether an experiment that runs tells it to a share of the sessions. A query."""
        is_frozen = self.status == self.Status.RETIRED
        return is_frozen and self.experiments.filter(ended_at=None).exists()

    @property
    def standing(self) -> str:
        """The status in words, for one version; a query."""
        return gettext("Challenger") if self.is_challenger else self.get_status_display()

    @property
    def template(self) -> str:
        """What agents are told, as a template."""
        return self.composed or self.source


class PromptPart(TenantModel):
    """A block inside a version: the version of the block that it was composed with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(PromptVersion, on_delete=models.CASCADE, related_name="parts")
    position = models.PositiveSmallIntegerField()
    block = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="uses")

    class Meta:
        verbose_name = _("block in a prompt")
        verbose_name_plural = _("blocks in prompts")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="prompt_part_position")
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.block_id}"


class PromptLabel(TenantModel):
    """A name that points to one version of a prompt, such as `staging`, and can be moved."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    prompt = models.ForeignKey(
        Prompt, on_delete=models.CASCADE, related_name="labels", verbose_name=_("prompt")
    )
    name = models.CharField(_("label"), max_length=63, validators=[validate_slug])
    version = models.ForeignKey(
        PromptVersion, on_delete=models.CASCADE, related_name="labels", verbose_name=_("version")
    )
    moved_at = models.DateTimeField(_("moved at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("label")
        verbose_name_plural = _("labels")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "name"], name="prompt_label_name_per_prompt")
        ]

    def __str__(self) -> str:
        return self.name
