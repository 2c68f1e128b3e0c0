"""Partial texts in Redis, for web servers and workers that are different processes."""

from typing import Any, Final
from uuid import UUID

from conversations.partial.texts import TTL_SECONDS, PartialText
from orkesta.redis_door import RedisDoor, RedisUnavailable, Script

# Only what is new travels. A run that was replaced changes nothing; one that does not continue
# what is stored (a new run, or an entry that has expired) is stored whole, so `rest` is sent with
# the offset where it starts and refused when that does not fit.
_PUT: Final = Script("""
local known = redis.call('HMGET', KEYS[1], 'message_id', 'attempt', 'step', 'chars')
local attempt, step = tonumber(ARGV[2]), tonumber(ARGV[3])
local stored_attempt, stored_step = tonumber(known[2] or -1), tonumber(known[3] or -1)
if stored_attempt > attempt or (stored_attempt == attempt and stored_step > step) then
    return 'old'
end
local offset, is_same = tonumber(ARGV[4]), stored_attempt == attempt and stored_step == step
if offset > 0 and not (is_same and tonumber(known[4]) == offset) then
    return 'whole'
end
if offset == 0 then
    redis.call('DEL', KEYS[1], KEYS[2])
end
redis.call('HSET', KEYS[1], 'message_id', ARGV[1], 'attempt', attempt, 'step', step,
           'chars', ARGV[5])
redis.call('APPEND', KEYS[2], ARGV[6])
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('EXPIRE', KEYS[2], ARGV[7])
return 'ok'
""")
_GET: Final = Script("""
local known = redis.call('HMGET', KEYS[1], 'message_id', 'attempt', 'step')
return {known[1], known[2], known[3], redis.call('GET', KEYS[2])}
""")
_DISCARD: Final = Script("return redis.call('DEL', KEYS[1], KEYS[2])")


class RedisPartialStore:
    """As `PartialStore` says. While Redis is away nothing is known of any text, which only delays
    it for clients that come back in the middle.
    """

    def __init__(self, door: RedisDoor) -> None:
        self._door = door
        self._num_sent: dict[UUID, tuple[str, int]] = {}

    async def get(self, tenant_id: UUID, task_id: UUID) -> PartialText | None:
        try:
            found = await self._door.arun(_GET, keys=_keys(tenant_id, task_id), args=[])
        except RedisUnavailable:
            return None
        message_id, attempt, step, text = found
        if message_id is None:
            return None
        stream = f"{int(attempt)}.{int(step)}"
        return PartialText(UUID(message_id.decode()), stream, (text or b"").decode())

    async def put(self, tenant_id: UUID, task_id: UUID, partial: PartialText) -> None:
        known_stream, num_sent = self._num_sent.get(task_id, ("", 0))
        offset = num_sent if known_stream == partial.stream else 0
        try:
            answer = await self._put(tenant_id, task_id, partial, offset)
            if answer == b"whole":
                await self._put(tenant_id, task_id, partial, 0)
        except RedisUnavailable:
            self._num_sent.pop(task_id, None)
            return
        self._num_sent[task_id] = (partial.stream, len(partial.text))

    async def discard(self, tenant_id: UUID, task_id: UUID) -> None:
        self._num_sent.pop(task_id, None)
        try:
            await self._door.arun(_DISCARD, keys=_keys(tenant_id, task_id), args=[])
        except RedisUnavailable:
            return  # it expires by itself

    async def _put(self, tenant_id: UUID, task_id: UUID, partial: PartialText, offset: int) -> Any:
        attempt, step = partial.stream.split(".")
        rest = partial.text[offset:]
        args: list[str | int] = [
            str(partial.message_id),
            attempt,
            step,
            offset,
            len(partial.text),
            rest,
            int(TTL_SECONDS),
        ]
        return await self._door.arun(_PUT, keys=_keys(tenant_id, task_id), args=args)


def _keys(tenant_id: UUID, task_id: UUID) -> list[str]:
    # The braces keep both keys on one shard of a cluster.
    place = f"orkesta:{{{tenant_id.hex}:{task_id.hex}}}:partial"
    return [place, f"{place}:text"]
