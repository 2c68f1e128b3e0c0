"""What every test may ask for: `acme`, and `rival`, who must never see what acme owns."""

import pytest

from tests.cast import House, make_house


@pytest.fixture
def acme(db: None) -> House:
    return make_house("acme")


@pytest.fixture
def rival(db: None) -> House:
    return make_house("rival")
