"""What tests of tools need: addresses on this machine may be called, and nothing stays open."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from routing.tools.connections import close_connections


@pytest_asyncio.fixture
async def tool_calls(settings: Any) -> AsyncIterator[None]:
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = True
    yield
    await close_connections()
