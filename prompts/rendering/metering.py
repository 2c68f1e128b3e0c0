"""Rewrites a tree that passed the gate so that everything which costs time is paid for.

Jinja compiles `for`, comparisons, `~`, slices and calls into bare Python, which asks nobody. Each
becomes the application of an internal filter, whose name no template can spell.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from prompts.rendering import operators

INTERNAL: Mapping[str, Callable[..., Any]] = {
    "!compare": operators.compare,
    "!concat": operators.concat,
    "!cut": operators.cut,
    "!each": operators.each,
    "!items": operators.pairs,
    "!keys": operators.keys,
    "!range": operators.numbers,
    "!values": operators.values,
}


def metered(tree: nodes.Template) -> nodes.Template:
    """`tree`, changed in place; to be called once, and only after the gate."""
    _Meter().visit(tree)
    tree.set_environment(tree.environment)  # type: ignore[arg-type]
    return tree


class _Meter(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.For:
        cost = _cost(node)
        self.generic_visit(node)
        node.iter = _apply("!each", node.iter, nodes.Const(cost))
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Filter:
        self.generic_visit(node)
        operand = node.ops[0]
        return _apply("!compare", node.expr, nodes.Const(operand.op), operand.expr)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return _apply("!concat", *node.nodes)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return _apply("!cut", node.node, *(bound or nodes.Const(None) for bound in bounds))

    def visit_Call(self, node: nodes.Call) -> nodes.Filter:
        self.generic_visit(node)
        if isinstance(node.node, nodes.Getattr):
            return _apply("!" + node.node.attr, node.node.node)
        return _apply("!range", *node.args)


def _apply(name: str, first: nodes.Node, *others: nodes.Node) -> nodes.Filter:
    return nodes.Filter(first, name, list(others), [], None, None, lineno=first.lineno)


def _cost(loop: nodes.For) -> int:
    """The nodes that one round runs; those of an inner loop's body are paid for by that loop."""
    stack: list[nodes.Node] = [*loop.body, *([loop.test] if loop.test else [])]
    cost = 1
    while stack:
        node = stack.pop()
        cost += 1
        if isinstance(node, nodes.For):
            stack.append(node.iter)
            stack.extend(node.else_)
        else:
            stack.extend(node.iter_child_nodes())
    return cost
