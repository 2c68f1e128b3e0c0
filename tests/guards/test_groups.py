import pytest


@pytest.mark.xdist_group("guards-of-groups")
def test_tests_that_share_a_server_share_a_process(request: pytest.FixtureRequest) -> None:
    is_grouping = request.config.getoption("loadgroup", default=False)
    assert request.node.nodeid.endswith("@guards-of-groups") == is_grouping
