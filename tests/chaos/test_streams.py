import pytest

from tests.chaos.streams import Restarts, stream_storm
from tests.production.shop import Shop

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
    pytest.mark.long,
]


def test_no_token_is_lost_or_repeated_whatever_happens_on_the_way(empty_shop: Shop) -> None:
    shop = empty_shop
    webs = {"uvicorn": shop.uvicorn, "daphne": shop.daphne}
    restarts = Restarts(shop.cluster, shop.valkey, webs)
    faults = [
        lambda: restarts.web("daphne"),
        lambda: restarts.valkey(0.2),
        lambda: restarts.web("uvicorn"),
    ]
    size = {"num_clients": 6, "num_words": 50, "num_cuts": 3}
    seen = stream_storm(list(webs.values()), shop.cluster.key, faults, **size, drip=0.1, seed=3)
    assert [(one.is_equal, one.num_misfits) for one in seen] == [(True, 0)] * 6
    assert sum(one.num_cuts for one in seen) > 6
    assert all(one.num_connections > 1 for one in seen)
