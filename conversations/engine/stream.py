"""Task ids on their way to workers of any machine: a Redis stream, read through taskiq's broker.

A message carries nothing but the id and is acknowledged when it is received; what becomes of the
task is in its row. So everything the broker is known for is harmless here: a message lost with its
consumer is made up for by the workers' own look at the table, one delivered twice by the claim.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from taskiq import AckableMessage
from taskiq_redis import RedisStreamBroker

from conversations import live
from orkesta.redis_door import REDIS_ERRORS

logger = logging.getLogger(__name__)

STREAM: Final = "orkesta:tasks"
#: Every worker hears of every signal: only one of them runs the task.
SIGNALS: Final = "orkesta:signals"
MAX_LENGTH: Final = 10_000
BLOCK_MS: Final = 2_000
RETRY_SECONDS: Final = 1.0
GROUP: Final = "workers"
MAX_AT_ONCE: Final = 1_000

Wake = Callable[[UUID, bool], None]


class _Doorbell(RedisStreamBroker):  # type: ignore[misc]
    """taskiq's broker, read with one round trip for whatever has come.

    Its own way of reading acknowledges each message by itself and then looks, under a lock, for
    messages to reclaim. Here what is read is acknowledged by that, and nothing is ever reclaimed.
    """

    def __init__(self, url: str) -> None:
        # redis-py 8 ends an idle read after 5 s unless it is told otherwise.
        super().__init__(
            url,
            queue_name=STREAM,
            consumer_group_name=GROUP,
            maxlen=MAX_LENGTH,
            xread_block=BLOCK_MS,
            socket_timeout=10.0,
        )
        self._client = Redis(connection_pool=self.connection_pool)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        while True:
            found: Any = await self._client.xreadgroup(
                GROUP,
                self.consumer_name,
                {STREAM: ">"},
                count=MAX_AT_ONCE,
                block=BLOCK_MS,
                noack=True,
            )
            for _, messages in found or ():
                for _, fields in messages:
                    yield AckableMessage(data=fields[b"data"], ack=_already)


def _already() -> None:
    """It was acknowledged when it was read."""


class TaskStream:
    """One stream and one channel of a Redis server, for any number of web servers and workers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._senders: dict[asyncio.AbstractEventLoop, _Sender] = {}

    def kick(self, task_id: UUID) -> None:
        """Wake one worker, from any thread; without a server's event loop nobody is woken."""
        self._send(task_id, is_signal=False)

    def signal(self, task_id: UUID) -> None:
        """Let all workers look at what is wanted of the task."""
        self._send(task_id, is_signal=True)

    async def listen(self, wake: Wake) -> None:
        """Call `wake` for every message, until cancelled. Redis may come and go meanwhile."""
        await asyncio.gather(
            self._again(lambda: self._read_stream(wake)),
            self._again(lambda: self._read_signals(wake)),
        )

    async def _again(self, read: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await read()
            except REDIS_ERRORS as exc:
                logger.warning("Redis does not answer, workers look by themselves: %r", exc)
            await asyncio.sleep(RETRY_SECONDS)

    async def _read_stream(self, wake: Wake) -> None:
        broker = _Doorbell(self._url)
        await broker.startup()
        try:
            async for message in broker.listen():
                wake(UUID(bytes=message.data), False)
        finally:
            await broker.shutdown()

    async def _read_signals(self, wake: Wake) -> None:
        client = Redis.from_url(self._url, socket_timeout=None)
        try:
            async with client.pubsub() as channel:
                await channel.subscribe(SIGNALS)
                async for message in channel.listen():
                    if message["type"] == "message":
                        wake(UUID(hex=message["data"].decode()), True)
        finally:
            await client.aclose()

    def _send(self, task_id: UUID, *, is_signal: bool) -> None:
        loop = live.server_loop()
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._put, loop, task_id, is_signal)
        except RuntimeError:  # closed since we looked: the workers' own look must do
            return

    def _put(self, loop: asyncio.AbstractEventLoop, task_id: UUID, is_signal: bool) -> None:
        if loop not in self._senders:
            self._senders = {loop: _Sender(self._url)}
        self._senders[loop].put(task_id, is_signal=is_signal)


class _Sender:
    """Sends from one event loop. While a round trip is under way, the next one gathers."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(url, socket_timeout=RETRY_SECONDS)
        self._waiting: list[tuple[UUID, bool]] = []
        self._sending: asyncio.Task[None] | None = None

    def put(self, task_id: UUID, *, is_signal: bool) -> None:
        self._waiting.append((task_id, is_signal))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._send(batch)
            except REDIS_ERRORS as exc:
                logger.warning("Wake-ups were lost, workers look by themselves: %r", exc)

    async def _send(self, batch: Sequence[tuple[UUID, bool]]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for task_id, is_signal in batch:
                if is_signal:
                    pipeline.publish(SIGNALS, task_id.hex)
                else:
                    pipeline.xadd(STREAM, {"data": task_id.bytes}, maxlen=MAX_LENGTH)
            await pipeline.execute()
