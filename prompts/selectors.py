"""Reads of prompts, under an active tenant scope."""

from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from prompts.models import Prompt, PromptVersion

Status = PromptVersion.Status


def list_prompts() -> QuerySet[Any]:
    """Prompts with what a list shows of their versions: `published_number`, `published_tokens`,
    `published_at` (None without a published one) and `newest_draft` (its number, or None).
    """
    versions = PromptVersion.objects.filter(prompt=OuterRef("pk")).order_by("-number")
    published = versions.filter(status=Status.PUBLISHED)
    drafts = versions.filter(status=Status.DRAFT)
    # Subqueries, because a join on versions would multiply the prompts.
    return Prompt.objects.annotate(
        published_number=Subquery(published.values("number")[:1]),
        published_tokens=Subquery(published.values("num_tokens")[:1]),
        published_at=Subquery(published.values("published_at")[:1]),
        newest_draft=Subquery(drafts.values("number")[:1]),
    )


def list_versions(prompt_id: UUID) -> QuerySet[PromptVersion]:
    """The prompt's versions, newest first, without their texts."""
    rows = PromptVersion.objects.filter(prompt_id=prompt_id).select_related("author")
    return rows.defer("source").order_by("-number")


def find_version(prompt_id: UUID, version_id: UUID) -> PromptVersion | None:
    """The version with its prompt; None when it is absent, or another prompt's."""
    rows = PromptVersion.objects.select_related("prompt", "author")
    return rows.filter(prompt_id=prompt_id, pk=version_id).first()


def list_unpublished_drafts() -> QuerySet[Any]:
    """Prompts that have a draft newer than what is published."""
    newer = Q(newest_draft__gt=F("published_number")) | Q(published_number=None)
    return list_prompts().filter(newer, newest_draft__isnull=False)
