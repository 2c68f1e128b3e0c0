"""The acts on prompts: a draft is written, and published.

What a version says never changes once it was published; the database refuses it too (migrations
0002 and 0004). Rolling back is publishing an older version again.
"""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from prompts.composition import Composition, compose
from prompts.errors import LabelReserved, PromptVersionNotFound, VersionNotDraft
from prompts.experiment_models import Experiment
from prompts.models import Prompt, PromptLabel, PromptPart, PromptVersion
from prompts.rendering import TemplateReport, compile_template
from prompts.selectors import PRODUCTION, list_outdated_users_of
from prompts.tokens import count_tokens
from tenants.audit import record, record_change, record_new, values_of
from tenants.audit_models import AuditAction
from tenants.services import touch_configuration

Status = PromptVersion.Status


def check_source(source: str, *, prompt: Prompt | None = None) -> TemplateReport:
    """What an author has to know about a text: what it uses, and what is wrong with it. Needs the
    tenant's scope when it names blocks.
    """
    return compose(source, prompt=prompt).report


@transaction.atomic
def save_draft(
    *, prompt: Prompt, source: str, notes: str = "", author: AbstractBaseUser | None = None
) -> PromptVersion:
    """A new draft with the prompt's next number. Raises TemplateInvalid, UnknownVariable,
    UnknownBlock.
    """
    composition = _composed(source, prompt)
    _lock(prompt)
    newest = PromptVersion.objects.filter(prompt=prompt).aggregate(Max("number"))["number__max"]
    version = PromptVersion.objects.create(
        prompt=prompt,
        number=(newest or 0) + 1,
        source=source,
        notes=notes,
        author_id=author.pk if author else None,
        **_texts(composition),
    )
    _keep_parts(version, composition)
    record_new(version)
    return version


@transaction.atomic
def edit_draft(
    *,
    version: PromptVersion,
    source: str,
    notes: str = "",
    author: AbstractBaseUser | None = None,
) -> PromptVersion:
    """The draft with another text. Raises what `save_draft` does, and VersionNotDraft."""
    composition = _composed(source, version.prompt)
    _lock(version.prompt)
    version.refresh_from_db(fields=["status"])
    if version.status != Status.DRAFT:
        raise VersionNotDraft
    before = values_of(version)
    version.source, version.notes = source, notes
    version.author_id = author.pk if author else version.author_id
    _recompose(version, composition, "source", "notes", "author")
    if PromptLabel.objects.filter(version=version).exists():
        touch_configuration(version.tenant_id)  # tasks may ask for it by its label
    record_change(version, before)
    return version


@transaction.atomic
def publish_version(
    *, version: PromptVersion, author: AbstractBaseUser | None = None
) -> PromptVersion:
    """Make this the version that agents are told, from their next task on; the one published until
    now is retired. A draft takes its blocks as they are now, an older version keeps those it was
    published with. Publishing the published one is no error.

    Raises TemplateInvalid when the text cannot run (any more), UnknownBlock when one is gone.
    """
    _lock(version.prompt)
    version.refresh_from_db()
    if version.status == Status.PUBLISHED:
        return version
    if version.status == Status.DRAFT:
        _recompose(version, _composed(version.source, version.prompt))
    else:
        _check_runs(version)
    PromptVersion.objects.filter(prompt_id=version.prompt_id, status=Status.PUBLISHED).update(
        status=Status.RETIRED
    )
    version.status, version.published_at = Status.PUBLISHED, timezone.now()
    version.author_id = version.author_id or (author.pk if author else None)
    version.save(update_fields=["status", "published_at", "author"])
    record(AuditAction.PUBLISHED, version, {"number": (None, version.number)})
    # Whatever was tried beside the version that is gone is over.
    Experiment.objects.filter(prompt_id=version.prompt_id, ended_at=None).update(
        ended_at=timezone.now(), ending=Experiment.Ending.PUBLISHED
    )
    touch_configuration(version.tenant_id)
    return version


@transaction.atomic
def freeze_version(*, version: PromptVersion, author: AbstractBaseUser | None = None) -> None:
    """Let a draft be told to some customers without being published: like any version that
    customers were told, it does not change any more. Raises what `publish_version` does.
    """
    _lock(version.prompt)
    version.refresh_from_db()
    if version.status != Status.DRAFT:
        _check_runs(version)
        return
    _recompose(version, _composed(version.source, version.prompt))
    version.status, version.published_at = Status.RETIRED, timezone.now()
    version.author_id = version.author_id or (author.pk if author else None)
    version.save(update_fields=["status", "published_at", "author"])
    record(AuditAction.CHANGED, version, {"status": (Status.DRAFT, Status.RETIRED)})


@transaction.atomic
def spread_block(*, block: Prompt, author: AbstractBaseUser | None = None) -> list[PromptVersion]:
    """Publish every prompt that is live with an older version of `block` anew, with the block as it
    is published now; the new versions.
    """
    live = PromptVersion.objects.filter(prompt=block, status=Status.PUBLISHED).first()
    if live is None:
        return []
    made = []
    for version in list_outdated_users_of(block):
        notes = f"[[{block.slug}]] v{live.number}"
        draft = save_draft(prompt=version.prompt, source=version.source, notes=notes, author=author)
        made.append(publish_version(version=draft, author=author))
    return made


@transaction.atomic
def set_label(*, prompt: Prompt, name: str, version: PromptVersion) -> PromptLabel:
    """Let the label point to this version of the prompt, wherever it pointed before. Raises
    LabelReserved.
    """
    if name == PRODUCTION:
        raise LabelReserved
    _lock(prompt)
    pointed = PromptLabel.objects.filter(prompt=prompt, name=name).first()
    label, is_new = PromptLabel.objects.update_or_create(
        prompt=prompt, name=name, defaults={"version": version, "moved_at": timezone.now()}
    )
    act = AuditAction.CREATED if is_new else AuditAction.CHANGED
    record(act, label, {"version": (pointed.version if pointed else None, version)})
    touch_configuration(prompt.tenant_id)
    return label


@transaction.atomic
def remove_label(*, prompt: Prompt, name: str) -> None:
    """Take the label away; the version stays. Raises LabelReserved, and PromptVersionNotFound when
    there is no such label.
    """
    if name == PRODUCTION:
        raise LabelReserved
    label = PromptLabel.objects.filter(prompt=prompt, name=name).first()
    if label is None:
        raise PromptVersionNotFound
    record(AuditAction.DELETED, label, {"version": (label.version, None)})
    label.delete()
    touch_configuration(prompt.tenant_id)


@transaction.atomic
def discard_draft(*, version: PromptVersion) -> None:
    """Throw a draft away. Raises VersionNotDraft: what was published once stays."""
    _lock(version.prompt)
    version.refresh_from_db(fields=["status"])
    if version.status != Status.DRAFT:
        raise VersionNotDraft
    record(AuditAction.DELETED, version)
    version.delete()


def _composed(source: str, prompt: Prompt) -> Composition:
    composition = compose(source, prompt=prompt)
    composition.report.raise_if_invalid()
    return composition


def _texts(composition: Composition) -> dict[str, Any]:
    """The fields of a version that follow from its text."""
    return {
        "composed": "" if composition.is_plain else composition.text,
        "variants": dict(composition.variants),
        "variables": [spec.as_json() for spec in composition.declared.values()],
        "num_tokens": count_tokens(composition.text).count,
    }


def _recompose(version: PromptVersion, composition: Composition, *changed: str) -> None:
    texts = _texts(composition)
    for name, value in texts.items():
        setattr(version, name, value)
    version.save(update_fields=[*changed, *texts])
    version.parts.all().delete()
    _keep_parts(version, composition)


def _keep_parts(version: PromptVersion, composition: Composition) -> None:
    PromptPart.objects.bulk_create(
        PromptPart(tenant_id=version.tenant_id, version=version, position=place, block=block)
        for place, block in enumerate(composition.blocks)
    )


def _check_runs(version: PromptVersion) -> None:
    """Raises TemplateInvalid when a text of long ago cannot run any more."""
    for text in (version.template, *version.variants.values()):
        compile_template(text)


def _lock(prompt: Prompt) -> None:
    """Whoever changes versions of a prompt waits for whoever does so already."""
    Prompt.objects.select_for_update().get(pk=prompt.pk)
