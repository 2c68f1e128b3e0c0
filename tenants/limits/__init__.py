"""Rate limits: exact, shared by all processes, and known to the client by standard headers."""

from tenants.limits.decision import LimitDecision, limit_headers
from tenants.limits.gcra import Bucket
from tenants.limits.store import LimitStore, MemoryLimitStore, RedisLimitStore, limit_store

__all__ = [
    "Bucket",
    "LimitDecision",
    "LimitStore",
    "MemoryLimitStore",
    "RedisLimitStore",
    "limit_headers",
    "limit_store",
]
