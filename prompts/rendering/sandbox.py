"""Jinja's sandbox with everything taken out that the gate does not let through anyway.

The gate is the first wall and this is the second: no globals, no attributes but of `loop`, no
calls, no power operator, no computing while compiling.
"""

from typing import Any, NoReturn

from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.exceptions import SecurityError
from jinja2.lexer import Lexer
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompts.rendering.context import RenderContext
from prompts.rendering.filters import FILTERS
from prompts.rendering.filters.data import to_output
from prompts.rendering.gate import LOOP_ATTRIBUTES
from prompts.rendering.metering import INTERNAL
from prompts.rendering.operators import calculate
from prompts.rendering.predicates import PREDICATES
from prompts.rendering.source import PlacedLexer


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """The one environment all prompts share. Lines that hold only a tag leave no empty line."""

    context_class = RenderContext
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            undefined=StrictUndefined,
            # A finalizer that needs the context cannot be applied to constants while compiling;
            # with the optimizer off nothing else is.
            finalize=pass_context(to_output),
            optimized=False,
            cache_size=0,
        )
        self.globals.clear()
        known = {**FILTERS, **INTERNAL}
        self.filters = {name: pass_context(function) for name, function in known.items()}
        self.tests = dict(PREDICATES)
        self._placed_lexer = PlacedLexer(self)

    @property
    def lexer(self) -> Lexer:
        return self._placed_lexer

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`: a key of an object, or what a loop knows about itself."""
        if type(obj) is dict:
            return self.getitem(obj, attribute)
        if type(obj) is LoopContext and attribute in LOOP_ATTRIBUTES:
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`: a key of an object, a place in a list or text. Never an attribute."""
        if type(obj) is dict and type(argument) is str and argument in obj:
            return obj[argument]
        if type(obj) in (list, str) and type(argument) is int and -len(obj) <= argument < len(obj):
            return obj[argument]
        if isinstance(obj, Undefined) or isinstance(argument, Undefined):
            str(obj), str(argument)
        return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return calculate(context, operator, left, right)  # type: ignore[arg-type]

    def call(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SecurityError("nothing can be called from a prompt")
