"""Looking at a prompt filled, before any customer hears it."""

from collections.abc import Mapping
from typing import Any

from prompts.composition import GIVEN
from prompts.errors import VariablesInvalid
from prompts.models import Prompt, PromptVersion
from prompts.rendering import (
    JSONValue,
    VariableSpec,
    parse_variables,
    render_isolated,
    resolve_variables,
    sample_variables,
)
from prompts.tokens import TokenCount, count_tokens


def sample_of(prompt: Prompt, declared: Mapping[str, VariableSpec]) -> dict[str, Any]:
    """What a preview is rendered with: the tenant as it is, an agent that uses the prompt, and the
    samples of `declared`.
    """
    sample: dict[str, Any] = sample_variables({**GIVEN, **declared})
    names = ("slug", "name", "business_context")
    sample["tenant"] = {name: getattr(prompt.tenant, name) for name in names}
    # Agents live a storey above; the relation leads up to them without an import.
    agent = prompt.agents.values("slug", "name", "description").first()
    return sample | {"agent": agent or sample["agent"]}


def render_version(
    *, version: PromptVersion, variables: Mapping[str, JSONValue], task_type: str = ""
) -> tuple[str, TokenCount]:
    """The text that an agent would be told, and what it costs; samples stand in for whatever
    `variables` does not give. A task of `task_type` is told it.

    Raises VariablesInvalid for a name that the prompt is not given, TemplateInvalid for a text that
    cannot run any more, TemplateFailed when a value has the wrong type or does not fit the text,
    TemplateTooLarge, TemplateTimeout.
    """
    declared = parse_variables(version.variables)
    specs = {**GIVEN, **declared}
    _refuse_unknown(variables, specs)
    given = {name: value for name, value in variables.items() if value is not None}
    resolve_variables({name: specs[name] for name in given}, given)
    template = version.variants.get(task_type, version.template)
    text = render_isolated(template, sample_of(version.prompt, declared) | given)
    return text, count_tokens(text)


def _refuse_unknown(variables: Mapping[str, JSONValue], specs: Mapping[str, VariableSpec]) -> None:
    unknown = sorted(variables.keys() - specs.keys())
    if unknown:
        detail = f"This prompt is given {', '.join(specs)}."
        code = VariablesInvalid.code
        raise VariablesInvalid(
            errors=[
                {"pointer": f"/variables/{name[:80]}", "code": code, "detail": detail}
                for name in unknown[:20]
            ]
        )
