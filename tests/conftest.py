"""What every test may ask for: `acme`, and `rival`, who must never see what acme owns."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from orkesta.database import close_pool
from tests.callers import Caller, make_key
from tests.cast import House, make_house

pytest_plugins = ["tests.groups", "tests.services", "tests.demo", "tests.production.shop"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Django's own; at the end connections of threads would keep PostgreSQL from dropping it."""
    yield
    close_pool()
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()


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
