"""The one door to Redis for what processes share and may lose: limits, breakers, tickets.

Nothing true lives in Redis, so it may be gone at any time and every caller has a local stand-in.
The door's part in that is to say so quickly: short timeouts, and after a failure a pause in which
nobody but one scout tries again. It raises `RedisUnavailable` and nothing else.
"""

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from orkesta.errors import Unavailable

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2.0
CONNECT_SECONDS = 2.0
PAUSE_SECONDS = 1.0
MAX_CONNECTIONS = 32
# After a restart every pooled connection is dead, and would fail one call each. So a broken
# connection is opened again and the call repeated once; a call that got no answer in time is not.
RETRIED = (redis.ConnectionError,)
#: What a call may raise when the server goes. TimeoutError and ConnectionError are OSErrors; uvloop
#: raises a RuntimeError for a write to a connection that was closed while the caller had it.
REDIS_ERRORS: Final = (redis.RedisError, OSError, RuntimeError)


class RedisUnavailable(Unavailable):
    """Redis does not answer."""

    code = "redis_unavailable"


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script: atomic, and sent as its digest once the server knows it."""

    text: str
    sha1: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha1", digest)


class RedisDoor:
    """Runs scripts on one server, from any thread (`run`) and any event loop (`arun`)."""

    def __init__(self, url: str, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._url = url
        self._pause_seconds = pause_seconds
        self._lock = threading.Lock()
        self._next_try_at: float | None = None  # monotonic seconds; None while all is well
        self._client = redis.Redis(
            connection_pool=redis.BlockingConnectionPool.from_url(
                url, **_options(), retry=Retry(NoBackoff(), 1, RETRIED)
            )
        )
        # A connection of redis.asyncio belongs to the event loop that opened it.
        self._loop_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis] = (
            WeakKeyDictionary()
        )

    @property
    def is_down(self) -> bool:
        """True from a failed call until one succeeds."""
        return self._next_try_at is not None

    def run(self, script: Script, *, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """What `script` returns. Raises `RedisUnavailable`; then it may have run all the same, and
        rarely, when an answer was lost with its connection, it runs twice.
        """
        with self._attempt():
            try:
                return self._client.evalsha(script.sha1, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return self._client.eval(script.text, len(keys), *keys, *args)

    async def arun(self, script: Script, *, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """`run` for coroutines."""
        with self._attempt():
            client = self._loop_client()
            try:
                return await client.evalsha(script.sha1, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                return await client.eval(script.text, len(keys), *keys, *args)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a later call opens new ones."""
        client = self._loop_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose(close_connection_pool=True)

    def close(self) -> None:
        """Close the connections that `run` uses; a later call opens new ones."""
        self._client.connection_pool.disconnect()

    def _loop_client(self) -> redis.asyncio.Redis:
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._loop_clients.get(loop)
            if client is None:
                pool = redis.asyncio.BlockingConnectionPool.from_url(
                    self._url, **_options(), retry=AsyncRetry(NoBackoff(), 1, RETRIED)
                )
                client = self._loop_clients[loop] = redis.asyncio.Redis(connection_pool=pool)
        return client

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        self._wait_for_turn()
        try:
            yield
        except REDIS_ERRORS as exc:
            self._note_failure(exc)
            raise RedisUnavailable from exc
        if self._next_try_at is not None:
            self._next_try_at = None
            logger.info("redis answers again")

    def _wait_for_turn(self) -> None:
        """Raise while the pause lasts; then let one caller through and pause the others again."""
        with self._lock:
            if self._next_try_at is None:
                return
            now = time.monotonic()
            if now < self._next_try_at:
                raise RedisUnavailable
            self._next_try_at = now + self._pause_seconds

    def _note_failure(self, exc: Exception) -> None:
        if self._next_try_at is None:
            logger.warning("redis does not answer: %s", type(exc).__name__)
        self._next_try_at = time.monotonic() + self._pause_seconds


def _options() -> dict[str, Any]:
    # Left alone, redis-py 8 waits 5 s for an answer and tries three times with growing pauses,
    # which a caller of ours would sit through on every request of an outage.
    return {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "timeout": TIMEOUT_SECONDS,  # for a free connection
        "max_connections": MAX_CONNECTIONS,
    }


@cache
def redis_door() -> RedisDoor | None:
    """The door to the configured Redis; None in the embedded set-up, which has none."""
    return RedisDoor(settings.REDIS_URL) if settings.REDIS_URL else None
