"""Test cases of prompts: messages with what a good answer holds, and how versions did on them."""

from typing import Any

import re2
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from orkesta.ids import uuid7
from prompts.run_models import DraftRun, RunStatus
from tenants.scope import TenantModel


def validate_pattern(pattern: str) -> None:
    """RE2, which no pattern can keep busy for long."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as exc:
        raise ValidationError(_("This is not a regular expression of RE2."), code="re2") from exc


def validate_context(context: Any) -> None:
    if not isinstance(context, dict):
        raise ValidationError(_("Write a JSON object, such as {}."), code="object")


class PromptTestCase(TenantModel):
    """A message, what comes along with it, and what is expected of the answer."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    prompt = models.ForeignKey(
        "prompts.Prompt",
        on_delete=models.CASCADE,
        related_name="test_cases",
        verbose_name=_("prompt"),
    )
    message = models.TextField(_("message"), max_length=4000)
    context = models.JSONField(
        _("context"),
        default=dict,
        blank=True,
        validators=[validate_context],
        help_text=_("What the page or app sends along, as a JSON object."),
    )
    must_contain = models.TextField(
        _("must contain"),
        blank=True,
        max_length=2000,
        help_text=_("One phrase per line; capitals do not matter."),
    )
    must_not_contain = models.TextField(
        _("must not contain"), blank=True, max_length=2000, help_text=_("One phrase per line.")
    )
    pattern = models.CharField(
        _("must match"),
        blank=True,
        max_length=500,
        validators=[validate_pattern],
        help_text=_("A regular expression found anywhere in the answer."),
    )
    max_tokens = models.PositiveIntegerField(
        _("tokens at most"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("test case")
        verbose_name_plural = _("test cases")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.message[:60]


class PromptTestRun(DraftRun):
    """How the answers to all test cases were under one version."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(
        "prompts.PromptVersion", on_delete=models.CASCADE, related_name="test_runs"
    )
    num_passed = models.PositiveIntegerField(default=0)
    num_failed = models.PositiveIntegerField(default=0)
    # [{case, message, answer, tokens, faults: [{code, wanted}]}], of the cases that are done.
    results = models.JSONField(default=list)
    # Ids of the cases, in their order.
    cases = models.JSONField(default=list)

    class Meta:
        verbose_name = _("test run")
        verbose_name_plural = _("test runs")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["touched_at"],
                condition=models.Q(status=RunStatus.RUNNING),
                name="test_run_running",
            )
        ]

    def __str__(self) -> str:
        return f"{self.num_passed}/{self.num_passed + self.num_failed}"
