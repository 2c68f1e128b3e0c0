"""The acts on prompts: a draft is written, and published.

The text of a version never changes once it was published; the database refuses it too (migration
0002). Rolling back is publishing an older version again.
"""

from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from prompts.errors import VersionNotDraft
from prompts.models import Prompt, PromptVersion
from prompts.rendering import TemplateReport, VariableSpec, check_template, parse_variables
from prompts.tokens import count_tokens
from tenants.services import touch_configuration

Status = PromptVersion.Status

_SAMPLES: Final[list[dict[str, Any]]] = [
    {
        "name": "agent",
        "type": "object",
        "sample": {"slug": "ventas", "name": "Ventas", "description": "Cotiza y vende."},
    },
    {
        "name": "tenant",
        "type": "object",
        "sample": {"slug": "aurora", "name": "Aurora", "business_context": "Lunes a sábado, 9-19."},
    },
    {
        "name": "user",
        "type": "object",
        "sample": {"name": "Lucía"},
    },
    {
        "name": "context",
        "type": "object",
        "sample": {},
    },
]
#: What every prompt is given when it is rendered for a turn.
GIVEN: Final[dict[str, VariableSpec]] = parse_variables(_SAMPLES)


def check_source(source: str) -> TemplateReport:
    """What an author has to know about a text: what it uses, and what is wrong with it."""
    return check_template(source, GIVEN)


@transaction.atomic
def save_draft(
    *, prompt: Prompt, source: str, notes: str = "", author: AbstractBaseUser | None = None
) -> PromptVersion:
    """A new draft with the prompt's next number. Raises TemplateInvalid."""
    check_source(source).raise_if_invalid()
    _lock(prompt)
    newest = PromptVersion.objects.filter(prompt=prompt).aggregate(Max("number"))["number__max"]
    return PromptVersion.objects.create(
        prompt=prompt,
        number=(newest or 0) + 1,
        source=source,
        notes=notes,
        num_tokens=count_tokens(source).count,
        author_id=author.pk if author else None,
    )


@transaction.atomic
def edit_draft(
    *,
    version: PromptVersion,
    source: str,
    notes: str = "",
    author: AbstractBaseUser | None = None,
) -> PromptVersion:
    """The draft with another text. Raises TemplateInvalid, VersionNotDraft."""
    check_source(source).raise_if_invalid()
    _lock(version.prompt)
    version.refresh_from_db(fields=["status"])
    if version.status != Status.DRAFT:
        raise VersionNotDraft
    version.source, version.notes = source, notes
    version.num_tokens = count_tokens(source).count
    version.author_id = author.pk if author else version.author_id
    version.save(update_fields=["source", "notes", "num_tokens", "author"])
    return version


@transaction.atomic
def publish_version(
    *, version: PromptVersion, author: AbstractBaseUser | None = None
) -> PromptVersion:
    """Make this the version that agents are told, from their next task on; the one published until
    now is retired. Publishing the published one is no error. Raises TemplateInvalid when the rules
    for templates have become stricter since it was written.
    """
    _lock(version.prompt)
    version.refresh_from_db()
    if version.status == Status.PUBLISHED:
        return version
    check_source(version.source).raise_if_invalid()
    PromptVersion.objects.filter(prompt_id=version.prompt_id, status=Status.PUBLISHED).update(
        status=Status.RETIRED
    )
    version.status, version.published_at = Status.PUBLISHED, timezone.now()
    version.author_id = version.author_id or (author.pk if author else None)
    version.save(update_fields=["status", "published_at", "author"])
    touch_configuration(version.tenant_id)
    return version


@transaction.atomic
def discard_draft(*, version: PromptVersion) -> None:
    """Throw a draft away. Raises VersionNotDraft: what was published once stays."""
    _lock(version.prompt)
    version.refresh_from_db(fields=["status"])
    if version.status != Status.DRAFT:
        raise VersionNotDraft
    version.delete()


def _lock(prompt: Prompt) -> None:
    """Whoever changes versions of a prompt waits for whoever does so already."""
    Prompt.objects.select_for_update().get(pk=prompt.pk)
