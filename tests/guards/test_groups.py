import pytest

from orkesta.env import PROJECT_ROOT
from tests.groups import LONG


@pytest.mark.xdist_group("guards-of-groups")
def test_tests_that_share_a_server_share_a_process(request: pytest.FixtureRequest) -> None:
    is_grouping = request.config.getoption("loadgroup", default=False)
    assert request.node.nodeid.endswith("@guards-of-groups") == is_grouping


@pytest.mark.parametrize("name", LONG)
def test_what_begins_first_is_there(name: str) -> None:
    if "/" in name:
        assert (PROJECT_ROOT / name).exists()
    else:
        mark = f'xdist_group("{name}")'
        tests = (PROJECT_ROOT / "tests").rglob("test_*.py")
        assert any(mark in path.read_text(encoding="utf-8") for path in tests)
