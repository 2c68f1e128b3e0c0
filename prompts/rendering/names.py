"""Which names a template expects from outside, and where it uses them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2 import nodes

from prompts.rendering.source import column_of


@dataclass(frozen=True, slots=True)
class UsedName:
    """One use of a variable; `line` and `column` count from 1."""

    name: str
    line: int
    column: int


def free_names(tree: nodes.Template) -> list[UsedName]:
    """Every use of a name that the template does not surely give a value itself, in reading order.

    Follows Jinja's scopes: what a loop assigns ends with the loop, and after an `if` only what all
    its branches assigned is known. Expects a tree of bounded depth.
    """
    found: list[UsedName] = []
    _follow(tree.body, set(), found)
    return sorted(found, key=lambda use: (use.line, use.column))


def _follow(body: Iterable[nodes.Node], known: set[str], found: list[UsedName]) -> None:
    for node in body:
        if isinstance(node, nodes.For):
            _follow_loop(node, known, found)
        elif isinstance(node, nodes.If):
            _follow_branches(node, known, found)
        elif isinstance(node, nodes.Assign):
            found.extend(_uses([node.node], known))
            known.update(_assigned(node.target))
        else:
            found.extend(_uses([node], known))


def _follow_loop(node: nodes.For, known: set[str], found: list[UsedName]) -> None:
    found.extend(_uses([node.iter], known))
    inside = known | _assigned(node.target) | {"loop"}
    if node.test is not None:
        found.extend(_uses([node.test], inside))
    _follow(node.body, set(inside), found)
    _follow(node.else_, set(known), found)


def _follow_branches(node: nodes.If, known: set[str], found: list[UsedName]) -> None:
    branches: list[set[str]] = []
    for branch in (node, *node.elif_):
        found.extend(_uses([branch.test], known))
        branches.append(set(known))
        _follow(branch.body, branches[-1], found)
    branches.append(set(known))
    _follow(node.else_, branches[-1], found)
    known.update(set.intersection(*branches))


def _assigned(target: nodes.Node) -> set[str]:
    return {name.name for name in _names([target])}


def _uses(expressions: Iterable[nodes.Node], known: set[str]) -> Iterator[UsedName]:
    for name in _names(expressions):
        if name.name not in known:
            yield UsedName(name.name, int(name.lineno), column_of(name.lineno))


def _names(expressions: Iterable[nodes.Node]) -> Iterator[nodes.Name]:
    stack = list(expressions)
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Name):
            yield node
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            stack.extend(node.args)  # range is a word of the language, not a variable
        else:
            stack.extend(node.iter_child_nodes())
