"""Identifiers that sort by the time they were made."""

import os
import time
import uuid
from datetime import datetime


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562 §5.7): 48 bits of Unix milliseconds, then 74 random bits.

    Rows made one after another lie beside each other in the index, and a page of them can be cut
    by id alone. The standard library has this from Python 3.14 on.
    """
    milliseconds = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76
    value |= ((random_bits >> 64) & 0x0FFF) << 64
    value |= 0b10 << 62
    value |= random_bits & 0x3FFF_FFFF_FFFF_FFFF
    return uuid.UUID(int=value)


def uuid7_beside(other: uuid.UUID) -> uuid.UUID:
    """A new version 7 UUID of the same millisecond as `other`: it sorts where that one does."""
    rest = (1 << 80) - 1
    return uuid.UUID(int=other.int & ~rest | uuid7().int & rest)


def first_uuid7(at: datetime) -> uuid.UUID:
    """The smallest id that `uuid7` can make at `at`: `id >= first_uuid7(midnight)` is what was made
    since midnight, found in the index of ids.
    """
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62)
