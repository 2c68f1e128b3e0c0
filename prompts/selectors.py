"""Reads of prompts, under an active tenant scope."""

from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from prompts.errors import PromptNotFound, PromptVersionNotFound
from prompts.models import Prompt, PromptLabel, PromptVersion

Status = PromptVersion.Status
#: The label of whatever is published; nobody moves it.
PRODUCTION: Final = "production"
#: Beyond this PostgreSQL would call the number out of range instead of absent.
MAX_NUMBER: Final = 2**31 - 1


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


def get_prompt(slug: str) -> Any:
    """The prompt as `list_prompts` gives it. Raises PromptNotFound."""
    prompt = list_prompts().filter(slug=slug).first()
    if prompt is None:
        raise PromptNotFound
    return prompt


def get_version(slug: str, number: int) -> PromptVersion:
    """Version `number` of the prompt called `slug`. Raises PromptNotFound, PromptVersionNotFound.

    An absent prompt and an absent version look the same from outside.
    """
    rows = PromptVersion.objects.select_related("prompt__tenant")
    version = rows.filter(prompt=get_prompt(slug), number=min(number, MAX_NUMBER)).first()
    if version is None:
        raise PromptVersionNotFound
    return version


def list_versions(prompt_id: UUID) -> QuerySet[PromptVersion]:
    """The prompt's versions, newest first, without their texts."""
    rows = PromptVersion.objects.filter(prompt_id=prompt_id).select_related("author")
    return rows.defer("source", "composed", "variables").order_by("-number")


def find_version(prompt_id: UUID, version_id: UUID) -> PromptVersion | None:
    """The version with its prompt; None when it is absent, or another prompt's."""
    rows = PromptVersion.objects.select_related("prompt", "author")
    return rows.filter(prompt_id=prompt_id, pk=version_id).first()


def list_unpublished_drafts() -> QuerySet[Any]:
    """Prompts that have a draft newer than what is published."""
    newer = Q(newest_draft__gt=F("published_number")) | Q(published_number=None)
    return list_prompts().filter(newer, newest_draft__isnull=False)


def list_users_of(block: Prompt) -> QuerySet[PromptVersion]:
    """Versions of prompts that were composed with some version of `block`, newest first."""
    rows = PromptVersion.objects.filter(parts__block__prompt=block).select_related("prompt")
    return rows.distinct().order_by("prompt__name", "-number")


def list_outdated_users_of(block: Prompt) -> QuerySet[PromptVersion]:
    """Published versions that hold the block, but not as it is published now."""
    live = PromptVersion.objects.filter(prompt=block, status=Status.PUBLISHED).first()
    if live is None:
        return PromptVersion.objects.none()
    return list_users_of(block).filter(status=Status.PUBLISHED).exclude(parts__block=live)


def has_label(name: str) -> bool:
    """Whether any prompt has the label."""
    return PromptLabel.objects.filter(name=name).exists()


def get_labelled(prompt: Prompt, label: str) -> PromptVersion:
    """The version that the label points to; `production` is what is published. Raises
    PromptVersionNotFound.
    """
    rows = PromptVersion.objects.select_related("prompt__tenant").filter(prompt=prompt)
    if label == PRODUCTION:
        version = rows.filter(status=Status.PUBLISHED).first()
    else:
        version = rows.filter(labels__name=label).first()
    if version is None:
        raise PromptVersionNotFound
    return version


def list_blocks() -> QuerySet[Prompt]:
    """The tenant's blocks that have a published version, by name."""
    live = PromptVersion.objects.filter(prompt=OuterRef("pk"), status=Status.PUBLISHED)
    return Prompt.objects.exclude(kind=Prompt.Kind.PROMPT).filter(Exists(live)).order_by("name")
