import pytest

from tests.chaos.production import Adversary, storm_over
from tests.production.shop import Shop
from tests.production.till import Till

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]
FORMS = [
    pytest.param(30, {"kills": 1, "freezes": 0, "valkey": 1}, id="short"),
    pytest.param(100, {"kills": 3, "freezes": 1, "valkey": 1}, id="whole", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("num_tasks", "faults"), FORMS)
def test_nothing_accepted_is_lost_or_done_twice_whatever_dies(
    empty_shop: Shop, till: Till, num_tasks: int, faults: dict[str, int]
) -> None:
    shop = empty_shop
    adversary = Adversary(shop.cluster, shop.postgres, shop.valkey, num_workers=2)
    if faults["freezes"]:
        adversary.recruit_sleeper()
    ports = [shop.uvicorn.port, shop.daphne.port]
    planned = adversary.faults(**faults)
    storm = storm_over(shop.cluster, till, planned, ports, seed=7, num_tasks=num_tasks)
    storm.rage(seconds_to_settle=30)
    assert storm.broken_promises() == []
    assert len(storm.history.acknowledged) == num_tasks
    # A client that tries again while its first try is still being answered is told to wait (409).
    assert storm.history.statuses <= {0, 409}, "no 5xx while PostgreSQL is there"
