from typing import Any

import pytest
from django.db import connection

from tests.callers import make_key
from tests.cast import make_tenant, make_tier
from tests.racers import race


@pytest.mark.django_db(transaction=True)
def test_two_processes_together_let_exactly_the_limit_through(valkey_url: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("The processes share a file.")
    tenant = make_tenant("racing", tier=make_tier(slug="race", requests_per_minute=100))
    key = make_key(tenant)
    name: Any = connection.settings_dict["NAME"]
    said = race(
        "tests.tenants.limits.http_callers", str(name), valkey_url, key, "64", num_processes=2
    )
    counts = [[int(number) for number in line.split()] for line in said]
    assert sum(passed for passed, _ in counts) == 100
    assert sum(refused for _, refused in counts) == 2 * 64 * 2 - 100
