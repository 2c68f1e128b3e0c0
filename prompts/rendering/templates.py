"""Compiling a template once and rendering it many times."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import TracebackType

from jinja2 import Template
from jinja2 import TemplateError as JinjaError

from prompts.errors import TemplateFailed, TemplateTooLarge
from prompts.rendering import limits
from prompts.rendering.gate import problems_of
from prompts.rendering.metering import metered
from prompts.rendering.names import free_names
from prompts.rendering.problems import TemplateProblem, invalid
from prompts.rendering.sandbox import PromptEnvironment
from prompts.rendering.source import MESSAGE_CHARACTERS, parse
from prompts.rendering.values import JSONValue, plain_copy

ENVIRONMENT = PromptEnvironment()

CACHED_TEMPLATES = 1_024

_FILENAME = "<prompt>"

# What running a template can raise when the data does not fit it. A RecursionError or MemoryError
# is not expected, but a prompt must not be able to take the worker along.
_FAILURES = (
    JinjaError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A template that passed the gate, ready to be rendered from any thread."""

    source: str
    variables: frozenset[str]
    """The names it expects to be given."""
    _template: Template = field(repr=False, compare=False)

    def render(self, variables: Mapping[str, JSONValue]) -> str:
        """The text for `variables`, which are copied and are never themselves templates.

        Raises TemplateFailed (with the line) when the data does not fit, TemplateTooLarge when
        output (256 KB), any text on the way (256 Ki characters) or the work exceeds its bound.
        """
        context = self._template.new_context(plain_copy(variables))
        try:
            return _collect(self._template.root_render_func(context))
        except _FAILURES as error:
            line = self._line_of(error.__traceback__)
            message = str(error).partition("\n")[0][:MESSAGE_CHARACTERS]
            where = f"Line {line}: " if line else ""
            raise TemplateFailed(f"{where}{message}", line=line) from error

    def _line_of(self, traceback: TracebackType | None) -> int:
        line = 0
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == _FILENAME:
                line = self._template.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line


@lru_cache(maxsize=CACHED_TEMPLATES)
def compile_template(source: str) -> CompiledTemplate:
    """`source`, checked and compiled; compiled once for equal sources.

    Raises TemplateInvalid with `line`, `column` and all problems in `details["errors"]`.
    """
    tree = parse(ENVIRONMENT, source)
    problems = problems_of(tree)
    if problems:
        raise invalid(problems)
    variables = frozenset(name.name for name in free_names(tree))
    try:
        code = ENVIRONMENT.compile(metered(tree), filename=_FILENAME)
    except (JinjaError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        # The gate's bounds are meant to make this impossible; if not, it is still a bad template.
        problem = TemplateProblem(1, 1, "The template cannot be compiled.")
        raise invalid([problem]) from error
    return CompiledTemplate(source, variables, Template.from_code(ENVIRONMENT, code, {}))


def _collect(chunks: Iterable[str]) -> str:
    size = 0
    kept: list[str] = []
    for chunk in chunks:
        size += len(chunk)
        if size > limits.OUTPUT_BYTES:
            raise _too_long()
        kept.append(chunk)
    text = "".join(kept)
    if not text.isascii() and len(text.encode()) > limits.OUTPUT_BYTES:
        raise _too_long()
    return text


def _too_long() -> TemplateTooLarge:
    return TemplateTooLarge(f"The output is longer than {limits.OUTPUT_BYTES // 1024} KB.")
