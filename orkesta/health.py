"""Is it alive, and how is it? Open to anybody, so it tells states and times and nothing else."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.views import View

from orkesta.api.renderer import to_json
from orkesta.redis_door import REDIS_ERRORS

logger = logging.getLogger(__name__)

CHANNEL_LAYER_SECONDS: Final = 2.0


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Health:
    """How one component is; `facts` are numbers that help an operator."""

    state: State
    facts: Mapping[str, float] = field(default_factory=dict)


Check = Callable[[], Health]


def database() -> Health:
    """Answers to a query, or is down."""
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as exc:
        logger.warning("The database does not answer: %s", type(exc).__name__)
        return Health(State.DOWN)
    return Health(State.OK, {"milliseconds": _since(began)})


def channel_layer() -> Health:
    """Takes a message. Without it live events are late but not lost, so it is never `down`."""
    began = time.monotonic()
    try:
        async_to_sync(_publish)()
    except (ChannelFull, *REDIS_ERRORS) as exc:
        logger.warning("The channel layer does not answer: %s", type(exc).__name__)
        return Health(State.DEGRADED)
    return Health(State.OK, {"milliseconds": _since(began)})


async def _publish() -> None:
    # To a group without members: new channels of the Redis layer would never be given back.
    ping = get_channel_layer().group_send("orkesta.health", {"type": "health.ping"})
    await asyncio.wait_for(ping, CHANNEL_LAYER_SECONDS)


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)


class HealthView(View):
    """The process answers: `{"status": "ok"}`. It asks nobody else."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        return _answer({"status": State.OK}, 200)


class DetailedHealthView(View):
    """`{"status", "components": {name: {"status", …}}}`. It is 503 when any component is down, and
    200 else: a degraded installation still serves.
    """

    http_method_names = ["get", "head"]
    checks: ClassVar[Mapping[str, Check]] = {}

    def get(self, request: HttpRequest) -> HttpResponse:
        found = {name: check() for name, check in self.checks.items()}
        overall = max((health.state for health in found.values()), key=list(State).index)
        components = {
            name: {"status": health.state} | dict(health.facts) for name, health in found.items()
        }
        body = {"status": overall, "components": components}
        return _answer(body, 503 if overall == State.DOWN else 200)


def _answer(body: Mapping[str, Any], status: int) -> HttpResponse:
    response = HttpResponse(to_json(body), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
