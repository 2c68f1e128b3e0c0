"""What agents are told: published versions, those that labels point to, and challengers."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from orkesta.errors import OrkestaError
from prompts.experiment_models import Experiment
from prompts.models import PromptLabel, PromptVersion
from prompts.rendering import (
    CompiledTemplate,
    VariableSpec,
    compile_template,
    parse_variables,
    resolve_variables,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PromptSnapshot:
    """The published text an agent is told, compiled."""

    version_id: UUID
    label: str
    template: CompiledTemplate
    declared: Mapping[str, VariableSpec] = field(default_factory=dict)
    #: What tasks of other types than the prompt's are told instead.
    variants: Mapping[str, CompiledTemplate] = field(default_factory=dict)

    def template_for(self, task_type: str) -> CompiledTemplate:
        return self.variants.get(task_type, self.template)

    def render(self, variables: Mapping[str, Any], task_type: str = "") -> str:
        """What the agent is told for a task of that type. Declared variables are taken from
        `variables["context"]`, or have their defaults.

        Raises TemplateFailed when the context lacks a required one or has one of another type.
        """
        template, declared = self.template_for(task_type), self.declared
        if self.variants:  # what instructions for other tasks require, nobody has to send
            used = template.variables
            declared = {name: spec for name, spec in declared.items() if name in used}
        own = resolve_variables(declared, variables["context"]) if declared else {}
        return template.render({**own, **variables})


@dataclass(frozen=True, slots=True)
class Challenger:
    """A version that an experiment lets a share of the sessions be told."""

    experiment_id: UUID
    share: int
    prompt: PromptSnapshot


def read_prompt(version: PromptVersion) -> PromptSnapshot | None:
    """None, and the log says why, when the version cannot be used."""
    try:
        return compile_version(version)
    except OrkestaError as exc:
        logger.error("prompt version %s cannot be used: %s", version.pk, exc)
        return None


def compile_version(version: PromptVersion) -> PromptSnapshot:
    """Raises what compiling its texts, or reading its declarations, does."""
    return PromptSnapshot(
        version.pk,
        f"{version.prompt.slug} v{version.number}",
        compile_template(version.template),
        parse_variables(version.variables),
        {name: compile_template(text) for name, text in version.variants.items()},
    )


def read_challengers() -> dict[UUID, Challenger]:
    """The experiments that run, by prompt."""
    rows = Experiment.objects.filter(ended_at=None).select_related("challenger__prompt")
    found = ((row, read_prompt(row.challenger)) for row in rows)
    return {row.prompt_id: Challenger(row.pk, row.share, prompt) for row, prompt in found if prompt}


def read_labelled() -> dict[UUID, dict[str, PromptSnapshot]]:
    """The versions that labels point to, by prompt and label."""
    found: dict[UUID, dict[str, PromptSnapshot]] = {}
    for label in PromptLabel.objects.select_related("version__prompt"):
        prompt = read_prompt(label.version)
        if prompt is not None:
            found.setdefault(label.prompt_id, {})[label.name] = prompt
    return found
