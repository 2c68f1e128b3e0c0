"""Prompts as files, so that they can live in git and move between installations.

A folder holds two files per prompt, `<slug>.md` with the text and `<slug>.json` with the rest; a
path that ends in `.json` is one file with a list of all. What is carried is the live text, or the
newest draft of a prompt that was never published; history stays where it was made.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from orkesta.errors import Invalid
from prompts.models import Prompt, PromptVersion
from prompts.services import publish_version, save_draft
from tenants.audit import record_change, record_new, values_of

#: Written into every file, and read back: another number is another format.
FORMAT: Final = 1
_MAX_FILE_BYTES: Final = 16 * 1024 * 1024


class PromptFileInvalid(Invalid):
    """A file of prompts cannot be used."""

    code = "prompt_file_invalid"


@dataclass(frozen=True, slots=True)
class PortablePrompt:
    slug: str
    name: str
    source: str
    kind: str = Prompt.Kind.PROMPT.value
    task_type: str = "conversation"
    description: str = ""
    variables: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Imported:
    """Slugs of prompts that were made, that got a new version, and that were the same before."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def export_prompts() -> list[PortablePrompt]:
    """The prompts of the tenant in scope, blocks first, by slug."""
    rows = Prompt.objects.prefetch_related("versions").order_by("slug")
    found = [(prompt, _carried(prompt)) for prompt in rows]
    carried = [_portable(prompt, version) for prompt, version in found if version]
    return sorted(carried, key=lambda each: (each.kind == Prompt.Kind.PROMPT, each.slug))


@transaction.atomic
def import_prompts(prompts: Iterable[PortablePrompt], *, publish: bool) -> Imported:
    """Take in `prompts`: new ones are made, others get a new version when their text differs; all
    of it or nothing. Blocks come first, whatever the order, because prompts name them.

    Without `publish` what is new stays a draft, but for blocks, which prompts can only name once
    they are published. Raises PromptFileInvalid, TemplateInvalid, UnknownBlock.
    """
    done = Imported()
    for each in sorted(prompts, key=lambda item: item.kind == Prompt.Kind.PROMPT):
        prompt = Prompt.objects.filter(slug=each.slug).first()
        (done.changed if prompt else done.created).append(each.slug)
        prompt = _save(prompt or Prompt(slug=each.slug), each)
        version = _carried(prompt)
        if version is not None and version.source == each.source:
            done.changed.remove(each.slug)
            done.unchanged.append(each.slug)
            if version.status == PromptVersion.Status.PUBLISHED:
                continue
        else:
            version = save_draft(prompt=prompt, source=each.source, notes="Imported")
        if publish or prompt.is_block:
            publish_version(version=version)
    return done


def write_files(prompts: Iterable[PortablePrompt], where: Path) -> None:
    """Write `prompts` to the folder, or to the `.json` file, `where`."""
    if where.suffix == ".json":
        whole = {"format": FORMAT, "prompts": [asdict(each) for each in prompts]}
        where.write_text(_to_json(whole), encoding="utf-8")
        return
    where.mkdir(parents=True, exist_ok=True)
    for each in prompts:
        about = {"format": FORMAT} | asdict(each)
        (where / f"{each.slug}.md").write_text(about.pop("source"), encoding="utf-8")
        (where / f"{each.slug}.json").write_text(_to_json(about), encoding="utf-8")


def read_files(where: Path) -> list[PortablePrompt]:
    """What `write_files` wrote. Raises PromptFileInvalid, which names the file."""
    if where.suffix == ".json":
        whole = _read_json(where)
        listed = whole.get("prompts")
        if not isinstance(listed, list):
            raise PromptFileInvalid(f"{where}: it holds no list of prompts.")
        return [_read(item, where) for item in listed]
    if not where.is_dir():
        raise PromptFileInvalid(f"{where}: there is no such folder.")
    return [
        _read(_read_json(path) | {"source": _read_text(path.with_suffix(".md"))}, path)
        for path in sorted(where.glob("*.json"))
    ]


def _carried(prompt: Prompt) -> PromptVersion | None:
    versions = sorted(prompt.versions.all(), key=lambda version: -version.number)
    live = (v for v in versions if v.status == PromptVersion.Status.PUBLISHED)
    return next(live, versions[0] if versions else None)


def _portable(prompt: Prompt, version: PromptVersion) -> PortablePrompt:
    return PortablePrompt(
        slug=prompt.slug,
        name=prompt.name,
        source=version.source,
        kind=prompt.kind,
        task_type=prompt.task_type,
        description=prompt.description,
        variables=prompt.variables,
    )


def _save(prompt: Prompt, each: PortablePrompt) -> Prompt:
    if not prompt._state.adding and prompt.kind != each.kind:
        raise PromptFileInvalid(f"{each.slug}: a {prompt.kind} cannot become a {each.kind}.")
    is_new, before = prompt._state.adding, values_of(prompt)
    for name in ("name", "kind", "task_type", "description", "variables"):
        setattr(prompt, name, getattr(each, name))
    try:
        prompt.full_clean(exclude=["tenant"])
    except ValidationError as exc:
        raise PromptFileInvalid(f"{each.slug}: {' '.join(exc.messages)}") from exc
    prompt.save()
    if is_new:
        record_new(prompt)
    else:
        record_change(prompt, before)
    return prompt


def _read(item: Any, where: Path) -> PortablePrompt:
    if not isinstance(item, dict):
        raise PromptFileInvalid(f"{where}: a prompt is an object.")
    given = {name: value for name, value in item.items() if name != "format"}
    for name, kind in PortablePrompt.__annotations__.items():
        expected = list if name == "variables" else str
        if name in given and not isinstance(given[name], expected):
            raise PromptFileInvalid(f"{where}: «{name}» must be a {kind}.")
    try:
        return PortablePrompt(**given)
    except TypeError as exc:
        raise PromptFileInvalid(f"{where}: it lacks a field, or has one too many.") from exc


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read_text(path))
    except (json.JSONDecodeError, RecursionError) as exc:
        raise PromptFileInvalid(f"{path}: it is not JSON.") from exc
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise PromptFileInvalid(f"{path}: its format is not {FORMAT}.")
    return found


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise PromptFileInvalid(f"{path}: it is too large.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise PromptFileInvalid(f"{path}: it cannot be read.") from exc


def _to_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
