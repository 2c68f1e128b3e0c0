"""What every test may ask for: `acme`, and `rival`, who must never see what acme owns."""

import pytest

from tests.callers import Caller, make_key
from tests.cast import House, make_house

pytest_plugins = ["tests.services"]


@pytest.fixture
def acme(db: None) -> House:
    return make_house("acme")


@pytest.fixture
def rival(db: None) -> House:
    return make_house("rival")


@pytest.fixture
def acme_api(acme: House) -> Caller:
    """Whoever holds a key of acme with every scope."""
    return Caller(make_key(acme.tenant))


@pytest.fixture
def rival_api(rival: House) -> Caller:
    return Caller(make_key(rival.tenant))
