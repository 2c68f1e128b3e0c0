"""Which tests share a process under xdist, and which of them begin first.

Servers are slow to start, so tests that share one have the mark `xdist_group`: the process that
begins a group runs all of it. What takes long begins first: at its place in the usual order it
would still run when the other processes have nothing left to do.
"""

from typing import Final

import pytest
from _pytest.nodeid import NodeId

#: Groups, and modules whose tests stand alone, by how long they take; the others follow as usual.
LONG: Final = (
    "production",
    "serve",
    "demo-orders",
    "live-shop",
    "tests/production/test_same_on_postgres.py",
    "tests/chaos/test_poison.py",
    "servers",
    "shop",
    "tests/orkesta/test_server_start.py",
    "tests/tenants/limits/test_limits_over_http.py",
)


def group_of(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else ""


def _place(item: pytest.Item) -> int:
    name = group_of(item) or item.nodeid.partition("::")[0]
    return LONG.index(name) if name in LONG else len(LONG)


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
