from collections.abc import Iterator
from time import sleep
from typing import Any

import dj_database_url
import psycopg
import pytest
from django.db import ConnectionHandler, OperationalError

pytestmark = pytest.mark.postgres


@pytest.fixture
def connection(postgres_url: str, django_db_blocker: Any) -> Iterator[Any]:
    database = dj_database_url.parse(postgres_url) | {
        "ENGINE": "orkesta.postgresql",
        "OPTIONS": {"prepare_threshold": 1},
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
    handler = ConnectionHandler({"default": database})
    with django_db_blocker.unblock():
        yield handler["default"]
        handler.close_all()


def ask(cursor: Any, statement: str, *params: Any) -> Any:
    with cursor:
        return cursor.execute(statement, params).fetchone()[0]


def begin_unit_of_work(connection: Any) -> None:
    connection.close_if_unusable_or_obsolete()


def test_a_connection_that_the_server_has_ended_is_replaced_before_it_is_used(
    connection: Any, postgres_url: str
) -> None:
    pid = ask(connection.cursor(), "SELECT pg_backend_pid()")
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])
    begin_unit_of_work(connection)
    assert ask(connection.prepared_cursor(), "SELECT pg_backend_pid()") != pid


def test_a_connection_that_works_is_kept_and_not_asked_whether_it_does(
    connection: Any, postgres_url: str
) -> None:
    pid = ask(connection.cursor(), "SELECT pg_backend_pid() AS mine")
    begin_unit_of_work(connection)
    connection.cursor().close()
    with psycopg.connect(postgres_url) as other:
        seen = other.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
    assert seen == ("SELECT pg_backend_pid() AS mine",)


def test_what_a_prepared_cursor_runs_is_planned_once(connection: Any) -> None:
    for number in range(3):
        assert ask(connection.prepared_cursor(), "SELECT %s::int + 1", number) == number + 1
    planned = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%::int + 1'"
    assert ask(connection.cursor(), planned) == 1


def test_a_literal_is_quoted_and_leaves_no_place_for_a_value(connection: Any) -> None:
    literal = connection.as_literal("50 % of O'Neill %s")
    text = f"SELECT {literal} || %s"
    assert ask(connection.cursor(), text, "!") == "50 % of O'Neill %s!"


def test_a_server_that_has_become_a_standby_is_one_that_has_gone(connection: Any) -> None:
    pid = ask(connection.cursor(), "SELECT pg_backend_pid()")
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    for cursor in (connection.cursor(), connection.prepared_cursor()):
        with cursor, pytest.raises(OperationalError, match="read-only transaction"):
            cursor.execute("CREATE TABLE nowhere (id int)")
    begin_unit_of_work(connection)
    assert ask(connection.cursor(), "SELECT pg_backend_pid()") != pid


def test_a_transaction_that_stood_still_too_long_has_lost_its_server(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '50ms'")
        cursor.execute("BEGIN")
        sleep(0.3)
        with pytest.raises(OperationalError, match="idle-in-transaction"):
            cursor.execute("SELECT 1")
    begin_unit_of_work(connection)
    assert ask(connection.cursor(), "SELECT 1") == 1


def test_a_migration_may_take_its_time_between_two_statements(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.db.transaction.connections", {"default": connection})
    shown = "SHOW idle_in_transaction_session_timeout"
    with connection.schema_editor():
        assert ask(connection.cursor(), shown) == "0"
    assert ask(connection.cursor(), shown) == "10s"
