"""What every test may ask for: `acme`, and `rival`, who must never see what acme owns."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from hypothesis import settings as hypothesis

from orkesta.database import close_pool
from tests.callers import Caller, make_key
from tests.cast import House, make_house

pytest_plugins = ["tests.groups", "tests.services", "tests.demo", "tests.production.shop"]


# The same examples in every run, however slow the machine is; `make fuzz` looks for new ones.
hypothesis.register_profile("same", deadline=None, derandomize=True, database=None)
hypothesis.register_profile("new", deadline=None)
hypothesis.load_profile("same")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Django's own; at the end connections of threads would keep PostgreSQL from dropping it."""
    _keep_what_migrations_wrote()
    yield
    close_pool()
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()


def _keep_what_migrations_wrote() -> None:
    """No test writes to these tables, and to fill them again takes nine tenths of the time that it
    takes to empty the database after a test with transactions of its own.
    """
    kept, sql_flush = {"auth_permission", "django_content_type"}, connection.ops.sql_flush

    def sql_flush_others(style: Any, tables: list[str], **options: Any) -> Any:
        return sql_flush(style, [name for name in tables if name not in kept], **options)

    connection.ops.sql_flush = sql_flush_others
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)


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
