"""Looking at a prompt filled, before any customer hears it."""

from collections.abc import Mapping
from typing import Any

from prompts.errors import VariablesInvalid
from prompts.models import Prompt, PromptVersion
from prompts.rendering import JSONValue, render_isolated, resolve_variables, sample_variables
from prompts.services import GIVEN
from prompts.tokens import TokenCount, count_tokens


def sample_of(prompt: Prompt) -> dict[str, Any]:
    """What a preview is rendered with: the tenant as it is, and an agent that uses the prompt."""
    sample: dict[str, Any] = sample_variables(GIVEN)
    names = ("slug", "name", "business_context")
    sample["tenant"] = {name: getattr(prompt.tenant, name) for name in names}
    # Agents live a storey above; the relation leads up to them without an import.
    agent = prompt.agents.values("slug", "name", "description").first()
    return sample | {"agent": agent or sample["agent"]}


def render_version(
    *, version: PromptVersion, variables: Mapping[str, JSONValue]
) -> tuple[str, TokenCount]:
    """The text that an agent would be told, and what it costs; samples stand in for whatever
    `variables` does not give.

    Raises VariablesInvalid for a name that no prompt is given, TemplateInvalid for a text that
    cannot run any more, TemplateFailed when a value has the wrong type or does not fit the text,
    TemplateTooLarge, TemplateTimeout.
    """
    _refuse_unknown(variables)
    given = resolve_variables(GIVEN, variables)
    known = {name: value for name, value in given.items() if value is not None}
    text = render_isolated(version.source, sample_of(version.prompt) | known)
    return text, count_tokens(text)


def _refuse_unknown(variables: Mapping[str, JSONValue]) -> None:
    unknown = sorted(variables.keys() - GIVEN.keys())
    if unknown:
        detail = f"A prompt is given {', '.join(GIVEN)}."
        code = VariablesInvalid.code
        raise VariablesInvalid(
            errors=[
                {"pointer": f"/variables/{name[:80]}", "code": code, "detail": detail}
                for name in unknown[:20]
            ]
        )
