"""Prompts made of blocks: what a text becomes once the blocks it names are filled in.

A line that holds nothing but `[[name]]` stands for a block: one that comes with Orkesta, or one of
the tenant's, in its published version. Blocks do not hold blocks. What a version was composed with
is frozen with it, so a block that changes later changes nothing that was published; whoever
publishes the block may spread it (`services.spread_block`).

Task instructions are told to tasks of their type alone. A task of no type has that of the prompt,
and so has one of a type that nothing in the prompt is for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prompts.errors import UnknownBlock, VariablesInvalid
from prompts.fixed import FIXED_BLOCKS, FixedBlock
from prompts.models import Prompt, PromptVersion
from prompts.rendering import (
    TemplateProblem,
    TemplateReport,
    VariableSpec,
    check_template,
    parse_variables,
)
from prompts.tokens import count_tokens

_REFERENCE: Final = re.compile(r"\[\[([a-z0-9][a-z0-9:-]{0,79})\]\][ \t]*")

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
#: What a task is when nobody says.
CONVERSATION: Final = "conversation"
#: What every prompt is given when it is rendered for a turn.
GIVEN: Final[dict[str, VariableSpec]] = parse_variables(_SAMPLES)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a composed prompt: whose it is, what it costs, why it is there."""

    name: str
    kind: str
    text: str
    why: str = ""
    version: int | None = None
    block: PromptVersion | None = None
    #: Of task instructions: the type of the tasks that are told them.
    task_type: str = ""

    @property
    def num_tokens(self) -> int:
        return count_tokens(self.text).count


@dataclass(frozen=True, slots=True)
class Composition:
    """A text with its blocks filled in.

    `declared` are the variables beyond those that every prompt is given; `report` says what is
    wrong, with lines and columns of the text as its author wrote it. `text` is for tasks of the
    prompt's own type, and of any that `variants` has no text for.
    """

    text: str
    parts: tuple[Part, ...]
    declared: Mapping[str, VariableSpec]
    report: TemplateReport
    own_type: str = CONVERSATION
    variants: Mapping[str, str] = field(default_factory=dict)

    def text_for(self, task_type: str) -> str:
        """What a task of that type is told, as a template."""
        return self.variants.get(task_type, self.text)

    @property
    def blocks(self) -> list[PromptVersion]:
        return [part.block for part in self.parts if part.block is not None]

    @property
    def is_plain(self) -> bool:
        """Whether the text holds no block."""
        return all(part.kind == OWN for part in self.parts)


#: Kinds of parts that are no block of the tenant's: the author's own words, and ours.
OWN: Final = "own"
FIXED: Final = "routing"


def compose(source: str, *, prompt: Prompt | None = None) -> Composition:
    """What `source` becomes as the text of `prompt`; what is wrong with it, its report says. Needs
    the tenant's scope.
    """
    lines = source.split("\n")
    named = _references(lines)
    found = _find_blocks(set(named.values())) if named else {}
    parts = tuple(_parts(lines, named, found))
    declared = parse_variables(prompt.variables if prompt else [])
    problems = list(_reference_problems(named, found, prompt))
    for block in (part.block for part in parts if part.block):
        problems += _clashes(block, declared, named)
        declared |= parse_variables(block.variables)
    own_type = prompt.task_type if prompt else CONVERSATION
    text = _text_for(own_type, parts)
    types = dict.fromkeys(part.task_type for part in parts if part.task_type not in ("", own_type))
    variants = {task_type: _text_for(task_type, parts) for task_type in types}
    report = _report(source, [text, *variants.values()], GIVEN | declared, problems)
    return Composition(text, parts, declared, report, own_type, variants)


def _text_for(task_type: str, parts: Iterable[Part]) -> str:
    return "\n".join(part.text for part in parts if part.task_type in ("", task_type))


def _references(lines: list[str]) -> dict[int, str]:
    """Names of blocks by the number of their line, from 1."""
    matches = {number: _REFERENCE.fullmatch(line) for number, line in enumerate(lines, start=1)}
    return {number: match[1] for number, match in matches.items() if match}


def _find_blocks(slugs: set[str]) -> dict[str, FixedBlock | PromptVersion]:
    ours = {slug: FIXED_BLOCKS[slug] for slug in slugs if slug in FIXED_BLOCKS}
    rows = PromptVersion.objects.filter(
        prompt__slug__in=slugs, status=PromptVersion.Status.PUBLISHED
    ).exclude(prompt__kind=Prompt.Kind.PROMPT)
    theirs = {row.prompt.slug: row for row in rows.select_related("prompt")}
    return theirs | ours


def _parts(
    lines: list[str], named: Mapping[int, str], found: Mapping[str, FixedBlock | PromptVersion]
) -> Iterator[Part]:
    own: list[str] = []
    for number, line in enumerate(lines, start=1):
        block = found.get(named.get(number, ""))
        if block is None:
            own.append(line)
            continue
        if own:
            yield Part("", OWN, "\n".join(own))
            own = []
        yield _part_of(block)
    if own:
        yield Part("", OWN, "\n".join(own))


def _part_of(block: FixedBlock | PromptVersion) -> Part:
    if isinstance(block, FixedBlock):
        return Part(block.slug, FIXED, block.text, block.why, block.version)
    prompt = block.prompt
    is_for_type = prompt.kind == Prompt.Kind.INSTRUCTIONS
    return Part(
        prompt.slug,
        prompt.kind,
        block.source,
        prompt.description,
        block.number,
        block,
        prompt.task_type if is_for_type else "",
    )


def _reference_problems(
    named: Mapping[int, str],
    found: Mapping[str, FixedBlock | PromptVersion],
    prompt: Prompt | None,
) -> Iterator[TemplateProblem]:
    for line, slug in named.items():
        if prompt is not None and prompt.is_block:
            yield TemplateProblem(line, 1, "A block cannot hold other blocks.", UnknownBlock.code)
        elif slug not in found:
            told = f"There is no published block called {slug!r}."
            yield TemplateProblem(line, 1, told, UnknownBlock.code)


def _clashes(
    block: PromptVersion, declared: Mapping[str, VariableSpec], named: Mapping[int, str]
) -> Iterator[TemplateProblem]:
    line = next(number for number, slug in named.items() if slug == block.prompt.slug)
    for name, spec in parse_variables(block.variables).items():
        other = declared.get(name)
        if other is not None and other.type is not spec.type:
            told = f"The block declares {name!r} as {spec.type}, elsewhere it is a {other.type}."
            yield TemplateProblem(line, 1, told, VariablesInvalid.code)


def _report(
    source: str,
    texts: Sequence[str],
    declared: Mapping[str, VariableSpec],
    problems: list[TemplateProblem],
) -> TemplateReport:
    """References are plain text to a template, so the author's lines stay what they are. Only what
    the whole is too long or too large for is found in the composed texts.
    """
    own = check_template(source, declared)
    wholes = [check_template(text, declared) for text in texts]
    if not own.errors and not problems:
        found = dict.fromkeys(error for whole in wholes for error in whole.errors)
        problems = [TemplateProblem(0, 0, error.message, error.code) for error in found]
    used = dict.fromkeys(name for whole in wholes for name in whole.variables)
    return TemplateReport(
        variables=tuple(used),
        undeclared=own.undeclared,
        unused=tuple(name for name in declared if name not in used),
        errors=(*own.errors, *problems),
    )
