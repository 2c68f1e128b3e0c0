"""What a limit store answers, and how HTTP says it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tenants.limits.gcra import MICROSECONDS, Bucket, level, wait


@dataclass(frozen=True, slots=True)
class LimitDecision:
    """Whether a call may go ahead, by the bucket that is nearest to its limit or beyond it.

    `bucket` is that bucket's name and `limit` its limit; `remaining` counts whole units after this
    call. `reset_seconds` is the time until it is full again, `retry_after_seconds` the time until
    this call would pass (0.0 when it did). `degraded` says that Redis was gone, and only this
    process counted. `policies` are all buckets that were asked.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: float
    retry_after_seconds: float
    bucket: str
    policies: tuple[Bucket, ...]
    degraded: bool = False


def decide(
    buckets: Sequence[Bucket], tats: Sequence[int], now: int, *, allowed: bool, degraded: bool
) -> LimitDecision:
    """The decision for `buckets` at `now`: `tats` are theirs after the charge, or, when it was not
    admitted, as they stand.
    """
    waits = [
        0 if allowed else wait(bucket, tat=tat, now=now)
        for bucket, tat in zip(buckets, tats, strict=True)
    ]
    levels = [level(bucket, tat=tat, now=now) for bucket, tat in zip(buckets, tats, strict=True)]
    longest, tightest = max(
        zip(waits, levels, strict=True),
        key=lambda pair: (pair[0], -pair[1].remaining / pair[1].bucket.limit),
    )
    return LimitDecision(
        allowed=allowed,
        limit=tightest.bucket.limit,
        remaining=tightest.remaining,
        reset_seconds=tightest.reset_seconds,
        retry_after_seconds=longest / MICROSECONDS,
        bucket=tightest.bucket.name,
        policies=tuple(buckets),
        degraded=degraded,
    )


def unlimited() -> LimitDecision:
    """The decision where no limit applies; it renders no headers."""
    return LimitDecision(True, 0, 0, 0.0, 0.0, "", ())


def limit_headers(decision: LimitDecision) -> dict[str, str]:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11, §3 and §4), and
    `Retry-After` (RFC 9110 §10.2.3) when the call was refused. Seconds are rounded up, so who waits
    as long as told is not early. `t`, the time for which `r` is a promise, never ends after
    `Retry-After`, as §6 of the draft wants.
    """
    if not decision.policies:
        return {}
    policies = ", ".join(
        f"{_quoted(bucket.name)};q={bucket.limit};w={bucket.window_seconds}"
        for bucket in decision.policies
    )
    retry_after = max(1, math.ceil(decision.retry_after_seconds))
    window = math.ceil(decision.reset_seconds) if decision.allowed else retry_after
    headers = {
        "RateLimit-Policy": policies,
        "RateLimit": f"{_quoted(decision.bucket)};r={decision.remaining};t={window}",
    }
    if not decision.allowed:
        headers["Retry-After"] = str(retry_after)
    return headers


def _quoted(name: str) -> str:
    """A string of Structured Fields (RFC 9651 §3.3.3)."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
