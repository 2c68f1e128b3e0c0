"""Answers under a version that nobody is told yet.

Agents and LLMs live a storey above; whoever has them says here how to ask for answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prompts.errors import NobodyAnswers
from prompts.models import PromptVersion


@dataclass(frozen=True, slots=True)
class DraftQuestion:
    """A customer's message, and what came along with it."""

    text: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """What would have been answered; `failure` says why there is nothing."""

    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    failure: str = ""


Source = Callable[[PromptVersion, Sequence[DraftQuestion]], list[DraftAnswer]]
_sources: list[Source] = []


def ask_for_answers(source: Source) -> None:
    """Let `source(version, questions)` be who answers; it is called in the tenant's scope."""
    _sources[:] = [source]


def answers_under(version: PromptVersion, questions: Sequence[DraftQuestion]) -> list[DraftAnswer]:
    """One answer for each question, in order. Asks an LLM, so it belongs in no transaction.

    Raises NobodyAnswers when no active agent is told the prompt, or none can be asked.
    """
    if not _sources:
        raise NobodyAnswers
    return _sources[0](version, questions)
