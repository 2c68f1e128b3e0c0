import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler, OperationalError

pytestmark = pytest.mark.django_db


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[], BaseDatabaseWrapper]]:
    opened: list[BaseDatabaseWrapper] = []
    options = {
        "timeout": 2,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;",
    }
    database = {"ENGINE": "orkesta.sqlite", "NAME": tmp_path / "turns.sqlite3", "OPTIONS": options}

    def connect() -> BaseDatabaseWrapper:
        connection = ConnectionHandler({"default": dict(database)})["default"]
        connection.inc_thread_sharing()
        opened.append(connection)
        return connection

    connection = connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE said (word TEXT)")
    yield connect
    for connection in opened:
        connection.close()


def begin(connection: BaseDatabaseWrapper) -> None:
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def say(connection: BaseDatabaseWrapper, word: str) -> float:
    """When the transaction had begun."""
    begin(connection)
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO said VALUES (%s)", [word])
    connection.commit()
    connection.set_autocommit(True)
    return began


def in_background(unit: Callable[[], float]) -> "Future[float]":
    pool = ThreadPoolExecutor(1)
    found = pool.submit(unit)
    pool.shutdown(wait=False)
    return found


def test_a_writer_begins_when_the_one_before_it_ends(
    connect: Callable[[], BaseDatabaseWrapper],
) -> None:
    one, other = connect(), connect()
    gaps = []
    for _ in range(5):
        begin(one)
        waiting = in_background(lambda: say(other, "later"))
        time.sleep(0.135)  # SQLite's own waiting would look again 40 ms later
        assert not waiting.done()
        one.commit()
        ended = time.perf_counter()
        one.set_autocommit(True)
        gaps.append(waiting.result(5) - ended)
    assert min(gaps) < 0.02, gaps


@pytest.mark.parametrize("end", ["rollback", "close"])
def test_a_transaction_that_fails_gives_its_turn_up(
    connect: Callable[[], BaseDatabaseWrapper], end: str
) -> None:
    one, other = connect(), connect()
    begin(one)
    getattr(one, end)()
    assert say(other, "free") > 0


def test_a_writer_that_waits_too_long_is_told_that_the_database_is_locked(
    connect: Callable[[], BaseDatabaseWrapper],
) -> None:
    one, other = connect(), connect()
    other.settings_dict["OPTIONS"]["timeout"] = 0.1
    begin(one)
    with pytest.raises(OperationalError, match="database is locked"):
        begin(other)
    one.rollback()
    assert say(other, "free") > 0


def test_a_begin_that_another_process_holds_up_gives_its_turn_up(
    connect: Callable[[], BaseDatabaseWrapper], tmp_path: Path
) -> None:
    one, other, elsewhere = connect(), connect(), connect()
    elsewhere.settings_dict["NAME"] = f"{tmp_path}/./turns.sqlite3"  # another queue
    with one.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    begin(elsewhere)
    with pytest.raises(OperationalError, match="database is locked"):
        begin(one)
    elsewhere.rollback()
    assert say(other, "free") > 0


def test_eight_threads_write_all_they_have(connect: Callable[[], BaseDatabaseWrapper]) -> None:
    connections = [connect() for _ in range(8)]
    held = Event()

    def say_much(connection: BaseDatabaseWrapper) -> None:
        held.wait(5)
        for number in range(20):
            say(connection, str(number))

    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(say_much, connection) for connection in connections]
        held.set()
        for done in work:
            done.result(20)
    with connections[0].cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM said")
        assert cursor.fetchone() == (160,)
