"""What is wrong with a template, and where."""

from collections.abc import Sequence
from dataclasses import dataclass

from prompts.errors import TemplateInvalid, UnknownBlock, UnknownVariable


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """One thing an author has to change. `line` and `column` count from 1; 0 means unknown."""

    line: int
    column: int
    message: str
    code: str = TemplateInvalid.code

    def as_error_item(self) -> dict[str, object]:
        """The problem as one element of `errors` in a problem+json body."""
        return {
            "pointer": "",
            "code": self.code,
            "detail": self.message,
            "line": self.line,
            "column": self.column,
        }


def invalid(problems: Sequence[TemplateProblem]) -> TemplateInvalid:
    """The error that carries all `problems` (at least one) and speaks of the first."""
    first = problems[0]
    kinds = {kind.code: kind for kind in (UnknownVariable, UnknownBlock)}
    kind = kinds.get(first.code, TemplateInvalid)
    return kind(
        first.message,
        line=first.line,
        column=first.column,
        errors=[problem.as_error_item() for problem in problems],
    )
