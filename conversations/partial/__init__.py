"""The text so far of messages that are being written, so that a client can come back in the middle.

It is a convenience, not the truth: a lost entry delays text until the message is complete.
"""

from functools import cache

from conversations.partial.memory import InMemoryPartialStore
from conversations.partial.redis import RedisPartialStore
from conversations.partial.texts import PartialStore, PartialText
from orkesta.redis_door import redis_door

__all__ = [
    "InMemoryPartialStore",
    "PartialStore",
    "PartialText",
    "RedisPartialStore",
    "get_partial_store",
]


@cache
def get_partial_store() -> PartialStore:
    """The store of this process, or the one it shares with others."""
    door = redis_door()
    return InMemoryPartialStore() if door is None else RedisPartialStore(door)
