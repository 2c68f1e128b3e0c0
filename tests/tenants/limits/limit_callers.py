"""A racer (`tests.racers`): `python -m tests.tenants.limits.limit_callers URL KEY THREADS CALLS`.

THREADS threads make CALLS calls each against a limit of 100; its result is how many passed.
"""

import sys
import threading

from orkesta.redis_door import RedisDoor
from tenants.limits import Bucket, RedisLimitStore
from tests.racers import finish, wait_for_start


def main(url: str, key: str, num_threads: int, num_calls: int) -> None:
    store = RedisLimitStore(RedisDoor(url))
    # A day, so that no unit comes back while the race is on.
    buckets = [Bucket("key", key, 100, 86_400), Bucket("tenant", key, 1_000_000, 86_400)]
    passed: list[bool] = []

    def call() -> None:
        for _ in range(num_calls):
            decision = store.check("acme", buckets)
            passed.append(decision.allowed and not decision.degraded)

    threads = [threading.Thread(target=call) for _ in range(num_threads)]
    wait_for_start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finish(f"{sum(passed)} {len(passed)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
