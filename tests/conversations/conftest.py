"""What tests of conversations share."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from routing.tools.connections import close_connections
from tests.demo import Demo
from tests.serving import Served

#: Answers slow enough to be cut off in the middle; little patience with clients that are silent.
SETTINGS = {
    "ORCHESTRATOR_OFFLINE_TOKEN_DELAY_MS": "25",
    "ORCHESTRATOR_DELTA_FRAME_MS": "5",
    "ORCHESTRATOR_WEBSOCKET_PING_INTERVAL": "1",
    "ORCHESTRATOR_WEBSOCKET_PING_TIMEOUT": "1",
}


@pytest_asyncio.fixture
async def tool_calls(settings: Any) -> AsyncIterator[None]:
    """Tools may call addresses on this machine."""
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = True
    yield
    await close_connections()


@pytest.fixture(scope="session")
def live_shop(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`manage.py serve` with the demo tenants, for the tests of the group `live-shop`."""
    directory = tmp_path_factory.mktemp("live-shop")
    with demo.installed_in(directory, SETTINGS).serve("--demo") as running:
        yield running
