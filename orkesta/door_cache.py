"""The cache in which calls at anonymous doors are counted: Redis, for all processes at once.

While Redis is gone each process counts for itself: a limit then lets through more, as many times as
there are processes, and nobody is turned away because a counter is missing.
"""

from typing import Any, Final

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache

from orkesta.redis_door import RedisUnavailable, Script, redis_door

_ADD: Final = Script("""
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 1 end
return 0
""")
_INCR: Final = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return redis.call('INCRBY', KEYS[1], ARGV[1])
""")


class DoorCache(LocMemCache):
    """Django's cache of one process, whose `add` and `incr` are Redis's as long as that answers.
    Nothing else is asked of it.
    """

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        super().__init__(name, params)
        self._door = redis_door()

    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: Any = None
    ) -> bool:
        try:
            return bool(self._run(_ADD, key, int(value), int(timeout or 1)))
        except RedisUnavailable:
            return super().add(key, value, timeout, version)

    def incr(self, key: str, delta: int = 1, version: Any = None) -> int:
        try:
            count = self._run(_INCR, key, delta)
        except RedisUnavailable:
            return super().incr(key, delta, version)
        if count is None:
            raise ValueError(f"There is no count {key!r}.")
        return int(count)

    def _run(self, script: Script, key: str, *args: int) -> Any:
        if self._door is None:
            raise RedisUnavailable
        # Nobody at these doors has a tenant yet.
        return self._door.run(script, keys=[f"orkesta:door:{key}"], args=args)
