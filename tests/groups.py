"""Which tests share a process under xdist, and which of them begin first.

Servers are slow to start, so tests that share one have the mark `xdist_group`: the process that
begins a group runs all of it. A group is one piece of work, so the long ones come first; in its
place at the end a long one would run while the other processes have nothing left to do.
"""

from typing import Final

import pytest
from _pytest.nodeid import NodeId

#: By how long they take; what is not named here follows in the usual order.
LONG_GROUPS: Final = ("production", "browser", "live-shop", "serve", "demo-orders", "servers")


def group_of(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else ""


def _place(item: pytest.Item) -> int:
    group = group_of(item)
    return LONG_GROUPS.index(group) if group in LONG_GROUPS else len(LONG_GROUPS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_place)
    if not config.getoption("loadgroup", default=False):
        return
    for item in items:
        ending = f"@{group_of(item)}"
        if ending != "@" and not item.nodeid.endswith(ending):
            # xdist 3.8 writes `_nodeid`, which pytest 9.2 does not read: every test of a group
            # would be sent to whichever process is free (pytest-xdist, issue 1386).
            item._id = NodeId.parse(f"{item.nodeid}{ending}")
