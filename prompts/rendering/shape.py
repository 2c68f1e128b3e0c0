"""The size and depth of a syntax tree, measured without recursion so that none can be too deep."""

from jinja2 import nodes

from prompts.rendering import limits
from prompts.rendering.problems import TemplateProblem
from prompts.rendering.source import column_of


def problem_at(node: nodes.Node, message: str) -> TemplateProblem:
    """`message` about `node`, with its place."""
    # Nodes that Jinja adds of its own accord (around {% autoescape %}) have no place.
    return TemplateProblem(int(node.lineno or 0), column_of(node.lineno), message)


def shape_problem(tree: nodes.Template) -> TemplateProblem | None:
    """What is too large or too deep about `tree`, None when everything has bounds."""
    stack: list[tuple[nodes.Node, int, int, int]] = [(tree, 0, 0, 0)]
    count = 0
    while stack:
        node, depth, blocks, loops = stack.pop()
        count += 1
        depth = 0 if isinstance(node, nodes.Stmt) else depth + 1
        blocks += isinstance(node, nodes.For | nodes.If)
        loops += isinstance(node, nodes.For)
        complaint = _complaint(count, depth, blocks, loops)
        if complaint:
            return problem_at(node, complaint)
        stack.extend((child, depth, blocks, loops) for child in node.iter_child_nodes())
    return None


def _complaint(count: int, depth: int, blocks: int, loops: int) -> str:
    if count > limits.NODES:
        return "The template has too many parts."
    if depth > limits.EXPRESSION_DEPTH:
        return "The expression is nested too deeply."
    if loops > limits.LOOP_DEPTH:
        return f"Loops can be nested {limits.LOOP_DEPTH} deep at most."
    if blocks > limits.BLOCK_DEPTH:
        return f"Blocks can be nested {limits.BLOCK_DEPTH} deep at most."
    return ""
