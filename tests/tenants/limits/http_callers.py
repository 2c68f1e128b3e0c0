"""A racer (`tests.racers`): `python -m tests.tenants.limits.http_callers DB REDIS KEY THREADS`.

A web process of its own, in which time stands still, so that no unit comes back while the race is
on: THREADS threads make two requests each; its result is how many passed.
"""

import os
import sys
import threading
from importlib import import_module

import django
from django.conf import settings

from tests.racers import finish, wait_for_start

MICROSECOND = 1_763_674_000_000_000


def main(database: str, redis_url: str, key: str, num_threads: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["TEST_ORKESTA_DATABASE_URL"] = f"sqlite:///{database}"
    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]
    limits, rates = import_module("tenants.limits"), import_module("tenants.rates")
    door = import_module("orkesta.redis_door").RedisDoor(redis_url)
    store = limits.RedisLimitStore(door, clock=lambda: MICROSECOND)
    vars(rates)["limit_store"] = lambda: store
    client_type = import_module("django.test").Client
    statuses: list[int] = []

    def call() -> None:
        client = client_type(headers={"Authorization": f"Bearer {key}"})
        for _ in range(2):
            statuses.append(client.get("/api/v1/nowhere").status_code)

    threads = [threading.Thread(target=call) for _ in range(num_threads)]
    wait_for_start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finish(f"{statuses.count(404)} {statuses.count(429)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
