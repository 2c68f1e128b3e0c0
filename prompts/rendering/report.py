"""What an author is told about a template while it is being written."""

from collections.abc import Mapping
from dataclasses import dataclass

from prompts.errors import TemplateInvalid, UnknownVariable
from prompts.rendering.names import UsedName, free_names
from prompts.rendering.problems import TemplateProblem, invalid
from prompts.rendering.shape import shape_problem
from prompts.rendering.source import parse
from prompts.rendering.templates import ENVIRONMENT, compile_template
from prompts.rendering.variables import VariableSpec


@dataclass(frozen=True, slots=True)
class TemplateReport:
    """What a template needs and what is wrong with it.

    `variables` are the names it uses, in order of first use; `undeclared` each use of a name that
    is not declared; `unused` the declared names it does not use; `errors` why it cannot run.
    """

    variables: tuple[str, ...] = ()
    undeclared: tuple[UsedName, ...] = ()
    unused: tuple[str, ...] = ()
    errors: tuple[TemplateProblem, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether the template may be saved: it can run and knows all its variables."""
        return not self.errors and not self.undeclared

    @property
    def problems(self) -> tuple[TemplateProblem, ...]:
        """The errors and the undeclared variables as one list, in reading order."""
        unknown = [
            TemplateProblem(
                use.line,
                use.column,
                f"The variable {use.name!r} is not declared.",
                UnknownVariable.code,
            )
            for use in self.undeclared
        ]
        return tuple(sorted([*self.errors, *unknown], key=lambda each: (each.line, each.column)))

    def raise_if_invalid(self) -> None:
        """Raises TemplateInvalid or UnknownVariable, after the first problem, for all of them."""
        if self.problems:
            raise invalid(self.problems)


def check_template(
    source: str, declared: Mapping[str, VariableSpec] | None = None
) -> TemplateReport:
    """A report about `source`; with `declared` None any variable is welcome. Never raises."""
    try:
        tree = parse(ENVIRONMENT, source)
    except TemplateInvalid as error:
        return TemplateReport(errors=_problems(error))
    uses = [] if shape_problem(tree) else free_names(tree)
    names = tuple(dict.fromkeys(use.name for use in uses))
    known = frozenset(names if declared is None else declared)
    return TemplateReport(
        variables=names,
        undeclared=tuple(use for use in uses if use.name not in known),
        unused=tuple(name for name in declared or () if name not in names),
        errors=_compile_errors(source),
    )


def _compile_errors(source: str) -> tuple[TemplateProblem, ...]:
    try:
        compile_template(source)
    except TemplateInvalid as error:
        return _problems(error)
    return ()


def _problems(error: TemplateInvalid) -> tuple[TemplateProblem, ...]:
    return tuple(
        TemplateProblem(item["line"], item["column"], item["detail"], item["code"])
        for item in error.details["errors"]
    )
