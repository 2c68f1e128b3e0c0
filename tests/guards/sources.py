"""The project's own Python files, as text and as syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from orkesta.env import PROJECT_ROOT

PACKAGES = ("orkesta", "tenants", "prompts", "routing", "conversations")
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(PROJECT_ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def functions(self) -> Iterator[FunctionNode]:
        for node in ast.walk(self.tree):
            if isinstance(node, FunctionNode):
                yield node

    def imports(self) -> Iterator[str]:
        """The dotted names of all imports: `a.b` for `import a.b` and for `from a import b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def product_sources() -> list[Source]:
    """What is shipped: the five packages without their migrations."""
    return [
        Source(path)
        for package in PACKAGES
        for path in sorted((PROJECT_ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


@cache
def all_sources() -> list[Source]:
    """What is shipped, and the tests, benchmarks and examples beside it."""
    found = [PROJECT_ROOT / "manage.py"]
    for folder in ("tests", "bench", "examples"):
        found += sorted((PROJECT_ROOT / folder).rglob("*.py"))
    return product_sources() + [Source(path) for path in found]


def length(node: FunctionNode) -> int:
    """Lines from `def` to the last one."""
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
