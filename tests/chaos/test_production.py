import pytest

from tests.chaos.production import Adversary, storm_over
from tests.production.shop import Shop
from tests.production.till import Till

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
    pytest.mark.long,
]


def test_nothing_accepted_is_lost_or_done_twice_whatever_dies(empty_shop: Shop, till: Till) -> None:
    shop = empty_shop
    adversary = Adversary(shop.cluster, shop.postgres, shop.valkey, num_workers=2)
    adversary.recruit_sleeper()
    faults = adversary.faults(kills=3, freezes=1, valkey=1)
    ports = [shop.uvicorn.port, shop.daphne.port]
    storm = storm_over(shop.cluster, till, faults, ports, seed=7, num_tasks=100)
    storm.rage(seconds_to_settle=30)
    assert storm.broken_promises() == []
    assert len(storm.history.acknowledged) == 100
    # A client that tries again while its first try is still being answered is told to wait (409).
    assert storm.history.statuses <= {0, 409}, "no 5xx while PostgreSQL is there"
