"""The gate: a syntax tree is let through only when every node of it is on the list.

It runs before anything is compiled, because with Jinja compiling already computes (constants are
folded). What is not listed is refused, so a node type that a later Jinja invents is refused too.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeVisitor

from prompts.rendering import limits
from prompts.rendering.filters import FILTERS
from prompts.rendering.operators import COMPARE_OPERATORS
from prompts.rendering.predicates import PREDICATES
from prompts.rendering.problems import TemplateProblem
from prompts.rendering.shape import problem_at, shape_problem

LOOP_ATTRIBUTES = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"}
)
# The calls that are let through: `range(…)`, and these without arguments on an object.
OBJECT_METHODS = frozenset({"items", "keys", "values"})

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*|_", re.ASCII)
# Jinja gives these a meaning of its own; of `loop` only the attributes are let through.
_TAKEN = frozenset({"self", "super", "caller", "varargs", "kwargs", "loop"})

_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.AssignBlock: "{% set %} with a block",
    nodes.FilterBlock: "{% filter %}",
    nodes.FromImport: "{% from %}",
    nodes.NSRef: "A namespace",
    nodes.Pow: "The operator **",
    nodes.ScopedEvalContextModifier: "{% autoescape %}",
    nodes.Tuple: "A tuple (write a list: ['a', 'b'])",
}
_TAGS = (
    nodes.Block,
    nodes.Extends,
    nodes.Import,
    nodes.Include,
    nodes.Macro,
    nodes.With,
)


def problems_of(tree: nodes.Template) -> list[TemplateProblem]:
    """What forbids running `tree`, in reading order, 20 at most; empty when it may run."""
    oversize = shape_problem(tree)
    if oversize is not None:
        return [oversize]
    gate = _Gate()
    for node in tree.body:
        gate.visit(node, False)
    return sorted(gate.problems, key=lambda found: (found.line, found.column))[: limits.PROBLEMS]


class _Gate(NodeVisitor):
    """One `visit_` method for each node that is let through; everything else is refused.

    The second argument says whether `loop` has a meaning at this place. Recursion is bounded by
    `shape_problem`: only `for`, `if` and expressions are walked into.
    """

    def __init__(self) -> None:
        self.problems: list[TemplateProblem] = []

    def refuse(self, node: nodes.Node, message: str) -> None:
        self.problems.append(problem_at(node, message))

    def each(self, found: Iterable[nodes.Node | None], in_loop: bool) -> None:
        for node in found:
            if node is not None:
                self.visit(node, in_loop)

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> None:
        name = type(node).__name__
        words = f"{{% {name.lower()} %}}" if isinstance(node, _TAGS) else f"A {name.lower()}"
        self.refuse(node, f"{_WORDS.get(type(node), words)} is not available in prompts.")

    def _children(self, node: nodes.Node, in_loop: bool) -> None:
        self.each(node.iter_child_nodes(), in_loop)

    # Statements

    visit_Output = visit_TemplateData = _children

    def visit_Assign(self, node: nodes.Assign, in_loop: bool) -> None:
        self._target(node.target, 1)
        self.visit(node.node, in_loop)

    def visit_If(self, node: nodes.If, in_loop: bool) -> None:
        if len(node.elif_) > limits.ELIF_BRANCHES:
            self.refuse(node, f"An if has at most {limits.ELIF_BRANCHES} elif branches.")
        self._children(node, in_loop)

    def visit_For(self, node: nodes.For, in_loop: bool) -> None:
        if node.recursive:
            self.refuse(node, "Recursive loops are not available in prompts.")
        self._target(node.target, limits.LOOP_TARGETS)
        self.visit(node.iter, in_loop)
        self.each([node.test], False)
        self.each(node.body, True)
        self.each(node.else_, in_loop)

    def _target(self, target: nodes.Node, most: int) -> None:
        names: Sequence[nodes.Node] = [target]
        if isinstance(target, nodes.Tuple):
            names = target.items
        if not 1 <= len(names) <= most:
            self.refuse(target, f"From 1 to {most} names can be assigned to here.")
        for name in names:
            if isinstance(name, nodes.Name):
                self.visit_Name(name, False)
            else:
                self.refuse(name, "Only a name can be assigned to.")

    # Names and values

    def visit_Name(self, node: nodes.Name, in_loop: bool) -> None:
        if node.name in _TAKEN:
            self.refuse(node, f"The name {node.name!r} cannot be used here.")
        elif not _NAME.fullmatch(node.name) or len(node.name) > limits.NAME_LENGTH:
            self.refuse(
                node,
                f"The name {node.name!r:.80} is not allowed: it takes up to {limits.NAME_LENGTH}"
                " of the letters a-z, digits and _, and begins with a letter.",
            )

    def visit_Const(self, node: nodes.Const, in_loop: bool) -> None:
        value = node.value
        if isinstance(value, str):
            if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
                self.refuse(node, "The text holds NUL or a lone surrogate.")
        elif isinstance(value, int | float) and not -limits.NUMBER <= value <= limits.NUMBER:
            self.refuse(node, "The number is too large.")

    def visit_List(self, node: nodes.List, in_loop: bool) -> None:
        self._constants(node.items)

    def visit_Dict(self, node: nodes.Dict, in_loop: bool) -> None:
        for pair in node.items:
            key = pair.key.value if isinstance(pair.key, nodes.Const) else None
            if not isinstance(key, str) or len(key) > limits.KEY_CHARACTERS:
                self.refuse(pair, "The keys of an object are short texts.")
            self._constants([pair.value])

    def _constants(self, items: Iterable[nodes.Node]) -> None:
        # Only constants: a list of variables that hold lists could describe an enormous tree.
        for item in items:
            if isinstance(item, nodes.Const | nodes.List | nodes.Dict):
                self.visit(item, False)
            elif isinstance(item, nodes.Neg) and isinstance(item.node, nodes.Const):
                self.visit(item.node, False)
            else:
                self.refuse(item, "A list or object written in a prompt holds only constants.")

    def visit_Getattr(self, node: nodes.Getattr, in_loop: bool) -> None:
        is_loop = isinstance(node.node, nodes.Name) and node.node.name == "loop"
        if is_loop and in_loop and node.attr in LOOP_ATTRIBUTES:
            return
        if node.attr.startswith("_"):
            self.refuse(node, "Names that begin with _ are not available in prompts.")
        self.visit(node.node, in_loop)

    def visit_Getitem(self, node: nodes.Getitem, in_loop: bool) -> None:
        self.visit(node.node, in_loop)
        if isinstance(node.arg, nodes.Slice):
            self._children(node.arg, in_loop)
        else:
            self.visit(node.arg, in_loop)

    # Operators

    visit_Add = visit_Sub = visit_Div = visit_FloorDiv = _children
    visit_And = visit_Or = visit_Not = visit_Neg = visit_Pos = visit_Concat = _children

    def visit_CondExpr(self, node: nodes.CondExpr, in_loop: bool) -> None:
        self._children(node, in_loop)

    def _numbers_only(self, node: nodes.BinExpr, in_loop: bool) -> None:
        for side in (node.left, node.right):
            if isinstance(side, nodes.List | nodes.Dict) or (
                isinstance(side, nodes.Const) and isinstance(side.value, str)
            ):
                self.refuse(side, f"{node.operator!r} works on numbers only.")
        self._children(node, in_loop)

    visit_Mul = visit_Mod = _numbers_only

    def visit_Compare(self, node: nodes.Compare, in_loop: bool) -> None:
        if len(node.ops) != 1 or node.ops[0].op not in COMPARE_OPERATORS:
            self.refuse(node.expr, "Compare two values at a time; join comparisons with 'and'.")
        self.visit(node.expr, in_loop)
        self.each((operand.expr for operand in node.ops), in_loop)

    # Calls, filters, tests

    def visit_Call(self, node: nodes.Call, in_loop: bool) -> None:
        called, count = node.node, len(node.args)
        is_plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs)
        if isinstance(called, nodes.Name) and called.name == "range":
            if not is_plain or not 1 <= count <= 3:
                self.refuse(node, "range() takes from 1 to 3 whole numbers.")
            self.each(node.args, in_loop)
        elif isinstance(called, nodes.Getattr) and called.attr in OBJECT_METHODS:
            if not is_plain or count:
                self.refuse(node, f"{called.attr}() takes nothing in its parentheses.")
            self.visit(called.node, in_loop)
        else:
            self.refuse(node, "Nothing can be called here but range() and .items().")

    def visit_Filter(self, node: nodes.Filter, in_loop: bool) -> None:
        self._applied(node, "filter", FILTERS, 2, in_loop)

    def visit_Test(self, node: nodes.Test, in_loop: bool) -> None:
        self._applied(node, "test", PREDICATES, 1, in_loop)

    def _applied(
        self,
        node: Any,
        what: str,
        known: Mapping[str, Callable[..., Any]],
        given: int,
        in_loop: bool,
    ) -> None:
        self.each([node.node], in_loop)
        if node.name not in known:
            self.refuse(node, f"There is no {what} {node.name!r:.80} in prompts.")
        elif node.dyn_args or node.dyn_kwargs:
            self.refuse(node, "* and ** are not available in prompts.")
        else:
            self._arguments(node, known[node.name], given)
        self.each(node.args, in_loop)
        self.each((keyword.value for keyword in node.kwargs), in_loop)

    def _arguments(self, node: Any, function: Callable[..., Any], given: int) -> None:
        positional = [None] * (given + len(node.args))
        try:
            _signature(function).bind(*positional, **dict.fromkeys(k.key for k in node.kwargs))
        except TypeError as error:
            self.refuse(node, f"{node.name!r}: {error}.")


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
