"""Task ids on their way to workers of any machine: a Redis stream, read through taskiq's broker.

A message carries nothing but the id and is acknowledged when it is received; what becomes of the
task is in its row. So everything the broker is known for is harmless here: a message lost with its
consumer is made up for by the workers' own look at the table, one delivered twice by the claim.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError
from taskiq import AckableMessage, BrokerMessage
from taskiq_redis import RedisStreamBroker

from conversations import live

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
    """taskiq's broker, with one round trip for a message or for many, and one for each wait.

    Its own way of reading acknowledges each message by itself and then looks, under a lock, for
    messages to reclaim; its own way of sending makes a client for each. Here what is read is
    acknowledged by that, and nothing is ever reclaimed.
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

    async def kick(self, message: BrokerMessage) -> None:
        fields: Any = {"data": message.message}
        await self._client.xadd(STREAM, fields, maxlen=MAX_LENGTH)

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
        self._senders: dict[asyncio.AbstractEventLoop, tuple[RedisStreamBroker, Redis]] = {}

    def kick(self, task_id: UUID) -> None:
        """Wake one worker, from any thread; without a server's event loop nobody is woken."""
        self._send(lambda broker, _: broker.kick(_message(task_id)))

    def signal(self, task_id: UUID) -> None:
        """Let all workers look at what is wanted of the task."""
        self._send(lambda _, client: client.publish(SIGNALS, task_id.hex))

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
            except (RedisError, OSError) as exc:
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

    def _send(self, send: Callable[[RedisStreamBroker, Redis], Awaitable[Any]]) -> None:
        loop = live.server_loop()
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._start, loop, send)
        except RuntimeError:  # closed since we looked: the workers' own look must do
            return

    def _start(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[RedisStreamBroker, Redis], Awaitable[Any]],
    ) -> None:
        if loop not in self._senders:
            client = Redis.from_url(self._url, socket_timeout=RETRY_SECONDS)
            self._senders = {loop: (_Doorbell(self._url), client)}
        sending = loop.create_task(_quietly(send(*self._senders[loop])))
        _background.add(sending)
        sending.add_done_callback(_background.discard)


_background: set[asyncio.Task[None]] = set()


async def _quietly(sending: Awaitable[Any]) -> None:
    try:
        await sending
    except (RedisError, OSError) as exc:
        logger.warning("A wake-up was lost, workers look by themselves: %r", exc)


def _message(task_id: UUID) -> BrokerMessage:
    return BrokerMessage(task_id=task_id.hex, task_name="wake", message=task_id.bytes, labels={})
