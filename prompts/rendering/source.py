"""From text to a syntax tree whose every node knows its line and its column.

Jinja's nodes carry a line number only. It travels untouched from the lexer's tokens to the nodes
and to `TemplateSyntaxError`, so a `Place`, an integer that also knows its column, travels with it.
"""

import re
from collections.abc import Iterator

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.lexer import TOKEN_OPERATOR, Lexer

from prompts.errors import TemplateInvalid
from prompts.rendering import limits
from prompts.rendering.problems import TemplateProblem, invalid

MESSAGE_CHARACTERS = 300

_DEEPER = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}

# "unexpected char '$' at 123": the offset says less than our line and column.
_OFFSET = re.compile(r" at \d+\Z")


class Place(int):
    """A line number that remembers its column; both count from 1."""

    column: int

    def __new__(cls, line: int, column: int) -> "Place":
        place = super().__new__(cls, line)
        place.column = column
        return place


def column_of(line: object) -> int:
    """The column that came with a line number, 0 when none did."""
    return line.column if isinstance(line, Place) else 0


class PlacedLexer(Lexer):
    """Jinja's lexer; its line numbers are `Place`s. Expects newlines to be LF already."""

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        position = line_start = depth = 0
        try:
            for number, (line, kind, value) in enumerate(
                super().tokeniter(source, name, filename, state)
            ):
                # Jinja drops whitespace around `{%-`; whatever it dropped lies before `value`.
                found = source.index(value, position)
                line_start = max(line_start, source.rfind("\n", position, found) + 1)
                place = Place(line, found - line_start + 1)
                depth += _DEEPER.get(value, 0) if kind == TOKEN_OPERATOR else 0
                if number > limits.TOKENS or depth > limits.EXPRESSION_DEPTH:
                    raise TemplateSyntaxError(_complaint(depth), place)
                yield place, kind, value
                position = found + len(value)
                line_start = max(line_start, source.rfind("\n", found, position) + 1)
        except TemplateSyntaxError as error:
            if not isinstance(error.lineno, Place):
                error.lineno = Place(error.lineno, position - line_start + 1)
            raise


def _complaint(depth: int) -> str:
    is_deep = depth > limits.EXPRESSION_DEPTH
    return "The expression is nested too deeply." if is_deep else "The template has too many parts."


def parse(environment: Environment, source: str) -> nodes.Template:
    """The syntax tree of `source`; raises TemplateInvalid for whatever cannot be parsed."""
    check_source(source)
    normalised = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        return environment.parse(normalised)
    except TemplateSyntaxError as error:
        message = _OFFSET.sub("", error.message or "This is not a template.")
        raise _invalid(message, error.lineno, column_of(error.lineno)) from error
    except (RecursionError, MemoryError) as error:
        raise _invalid("The template is nested too deeply.", 1, 1) from error
    except (ValueError, RuntimeError, AssertionError, SyntaxError) as error:
        # A number of 5,000 digits is a ValueError of int(), not a syntax error of Jinja's.
        raise _invalid("The template cannot be read.", 1, 1) from error


def check_source(source: str) -> None:
    """Raises TemplateInvalid for a source above 32 KB or one that cannot be stored."""
    if len(source) > limits.SOURCE_BYTES:
        raise _too_long()
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise _invalid("The template holds a lone surrogate.", 1, 1) from error
    if size > limits.SOURCE_BYTES:
        raise _too_long()
    if "\0" in source:
        raise _invalid("The template holds a NUL character.", 1, 1)


def _too_long() -> TemplateInvalid:
    return _invalid(f"The template is longer than {limits.SOURCE_BYTES // 1024} KB.", 1, 1)


def _invalid(message: str, line: int, column: int) -> TemplateInvalid:
    return invalid([TemplateProblem(int(line), column, message[:MESSAGE_CHARACTERS])])
