"""What tests of conversations share."""

from collections.abc import Iterator

import pytest

from tests.serving import Installation, Served

#: Answers slow enough to be cut off in the middle; little patience with clients that are silent.
SETTINGS = {
    "ORCHESTRATOR_OFFLINE_TOKEN_DELAY_MS": "25",
    "ORCHESTRATOR_DELTA_FRAME_MS": "5",
    "ORCHESTRATOR_WEBSOCKET_PING_INTERVAL": "1",
    "ORCHESTRATOR_WEBSOCKET_PING_TIMEOUT": "1",
}


@pytest.fixture(scope="session")
def live_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`manage.py serve` with the demo tenants, for the tests of the group `live-shop`."""
    database = tmp_path_factory.mktemp("live-shop") / "orkesta.sqlite3"
    with Installation(database, settings=SETTINGS).serve("--demo") as running:
        yield running
