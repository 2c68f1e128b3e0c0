"""The generic cell rate algorithm: exact limits in one number per bucket, without windows' edges.

A bucket remembers until when it is used up, its theoretical arrival time (TAT). Each unit charged
moves the TAT forward by one interval; a charge is admitted while the TAT stays within `limit`
intervals of now. So `limit` units may come at once, one more each interval after that, and never
more than `limit` in reserve, whereas fixed windows allow twice the limit across an edge.

All times are whole microseconds: Python and Lua (whose numbers are exact up to 2^53) get the same
results, and the 100th of 100 is not lost to rounding. An interval that is not whole is rounded up,
which makes the period longer by at most `limit` microseconds.
"""

from dataclasses import dataclass

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """`limit` units per `window_seconds`, of which a call costs `cost`.

    `key` says whose bucket it is within the tenant (`key:9f…`, `session:…`, empty for the tenant
    itself); `name` names the policy to clients (`session`). A cost of 0 only looks.
    """

    name: str
    key: str
    limit: int
    window_seconds: int
    cost: int = 1

    def __post_init__(self) -> None:
        if self.limit < 1 or self.window_seconds < 1 or self.cost < 0:
            raise ValueError(
                "a bucket has a limit and a window of at least 1, and no negative cost"
            )

    @property
    def interval(self) -> int:
        """Microseconds in which one unit comes back."""
        return -(-self.window_seconds * MICROSECONDS // self.limit)


@dataclass(frozen=True, slots=True)
class Level:
    """How a bucket stands: units left now, and seconds until it is as good as new."""

    bucket: Bucket
    remaining: int
    reset_seconds: float


def charged(bucket: Bucket, *, tat: int, now: int) -> int:
    """The TAT after a charge, whether it is admitted or not. A TAT of 0 is a bucket never used."""
    return max(tat, now) + bucket.cost * bucket.interval


def wait(bucket: Bucket, *, tat: int, now: int) -> int:
    """Microseconds from `now` until the charge would be admitted; 0 when it is. A cost above the
    limit never is: however long one waits, there is something left to wait.
    """
    return max(0, charged(bucket, tat=tat, now=now) - now - bucket.limit * bucket.interval)


def level(bucket: Bucket, *, tat: int, now: int) -> Level:
    """How the bucket stands at `now`."""
    used = max(0, tat - now)
    remaining = (bucket.limit * bucket.interval - used) // bucket.interval
    return Level(bucket, max(0, remaining), used / MICROSECONDS)
