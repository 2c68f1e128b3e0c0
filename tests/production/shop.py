"""One production set-up that the tests of this room share: two web servers and two workers."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from subprocess import SubprocessError

import psycopg
import pytest

from bench.processes import Child
from tests.production.cluster import Cluster, Web, wait_until
from tests.production.postgres import MortalPostgres
from tests.production.till import Till
from tests.production.upstream import Upstream
from tests.services import Valkey, unavailable


@dataclass(frozen=True, slots=True)
class Shop:
    """The shared set-up. A test that kills a worker need not replace it."""

    cluster: Cluster
    postgres: MortalPostgres
    valkey: Valkey
    upstream: Upstream
    uvicorn: Web
    daphne: Web

    @property
    def workers(self) -> list[Child]:
        return self.cluster.workers


@pytest.fixture(scope="session")
def _shop(
    mortal_postgres: MortalPostgres, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    with Upstream() as upstream, ExitStack() as stack:
        directory = tmp_path_factory.mktemp("shop")
        cluster = Cluster(mortal_postgres.url, own_valkey.url, directory, upstream, stack=stack)
        cluster.prepare()
        webs = [cluster.start_web("uvicorn"), cluster.start_web("daphne")]
        cluster.keep_workers(2)
        uvicorn, daphne = map(cluster.wait_for_web, webs)
        yield Shop(cluster, mortal_postgres, own_valkey, upstream, uvicorn, daphne)


@pytest.fixture
def shop(_shop: Shop) -> Shop:
    """The set-up with two workers at work, whatever the test before did to them, and where it
    failed.
    """
    for server in (_shop.postgres, _shop.valkey):
        if not server.is_alive:
            server.restart()
    _shop.cluster.keep_workers(2)
    return _shop


@pytest.fixture(scope="session")
def _till(_shop: Shop) -> Iterator[Till]:
    with Till() as till:
        _shop.cluster.furnish(till.url)
        yield till


@pytest.fixture
def till(_till: Till) -> Till:
    """Where the tools of the shop's agents charge; nothing has been charged yet."""
    _till.forget()
    return _till


@pytest.fixture(scope="session")
def mortal_postgres() -> Iterator[MortalPostgres]:
    """A PostgreSQL that tests may kill and start again; never the one of TEST_DATABASE_URL."""
    try:
        server = MortalPostgres()
    except (ImportError, OSError, RuntimeError, SubprocessError, psycopg.Error) as exc:
        unavailable("PostgreSQL", exc)
    yield server
    server.remove()


@pytest.fixture
def empty_shop(shop: Shop) -> Shop:
    """The same, without anything that was said before."""
    wait_until(lambda: _is_emptied(shop), bool, 30)
    return shop


def _is_emptied(shop: Shop) -> bool:
    """False when a worker was writing in another order than the tables are emptied in."""
    try:
        shop.cluster.execute("TRUNCATE conversations_session CASCADE")
    except psycopg.errors.DeadlockDetected:
        return False
    return True
