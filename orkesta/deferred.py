"""Modules that are imported when something of them is first used.

For libraries that most processes never need and that cost each of them dearly: the MCP SDK takes
0.4 s of CPU and 20 MB. To type checkers it is an import like any other:

    if TYPE_CHECKING:
        from routing.tools import mcp_session
    else:
        mcp_session = deferred("routing.tools.mcp_session")

What is only an annotation then has to be quoted.
"""

from importlib import import_module
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # somebody looks through all modules, and means none
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def deferred(name: str) -> ModuleType:
    """The module `name`, which is imported at the first use of anything in it. From any thread."""
    return _Deferred(name)
