from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx2
import pytest

from tests.production.cluster import Cluster, Web
from tests.production.shop import Shop
from tests.services import Valkey

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.long,
]
NUM_THREADS = 64
CALLS = 5
LIMIT = "UPDATE tenants_tier SET requests_per_minute = {} WHERE slug = 'bench'"


@pytest.fixture
def webs(shop: Shop, tmp_path: Path) -> Iterator[list[Web]]:
    """Four more web processes, with a Valkey of their own, in which time stands still."""
    [(before,)] = shop.cluster.rows("SELECT requests_per_minute FROM tenants_tier")
    shop.cluster.execute(LIMIT.format(100))
    valkey = Valkey()
    cluster = Cluster(shop.postgres.url, valkey.url, tmp_path, shop.upstream)
    cluster.key, cluster.tenant = shop.cluster.key, shop.cluster.tenant
    still = "tests.tenants.limits.still:application"
    try:
        with cluster.stack:
            started = [cluster.start_web(application=still) for _ in range(4)]
            yield [cluster.wait_for_web(one) for one in started]
    finally:
        valkey.kill()
        shop.cluster.execute(LIMIT.format(before))
        shop.cluster.execute("UPDATE tenants_tenant SET config_version = config_version + 1")


def test_four_web_processes_of_64_callers_let_exactly_100_through(webs: list[Web]) -> None:
    num_callers = len(webs) * NUM_THREADS
    together = Barrier(num_callers)

    def call(number: int) -> Counter[int]:
        web = webs[number % len(webs)]
        with httpx2.Client(
            base_url=web.client.base_url, headers=web.client.headers, timeout=60
        ) as client:
            together.wait(60)
            return Counter(client.get("/api/v1/nowhere").status_code for _ in range(CALLS))

    with ThreadPoolExecutor(num_callers) as callers:
        found = sum(callers.map(call, range(num_callers)), Counter[int]())
    assert found == {404: 100, 429: num_callers * CALLS - 100}
