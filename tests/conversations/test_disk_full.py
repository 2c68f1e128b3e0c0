from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from conversations.models import Message, Session, Task
from tenants.scope import scopes_disabled
from tests.callers import Caller, assert_problem

pytestmark = pytest.mark.django_db(transaction=True)
SEND = "/api/v1/chat/send"


def pragma(name: str, value: int | None = None) -> int:
    with connection.cursor() as cursor:
        given = "" if value is None else f" = {value}"
        return int(cursor.execute(f"PRAGMA {name}{given}").fetchone()[0])


@pytest.fixture
def full() -> Iterator[None]:
    """SQLite may not make its file any larger."""
    if connection.vendor != "sqlite":
        pytest.skip("Only SQLite can be told that its disk is full.")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # what earlier tests have deleted would be room
    most = pragma("max_page_count")
    pragma("max_page_count", pragma("page_count"))
    yield
    pragma("max_page_count", most)


def num_rows() -> list[int]:
    with scopes_disabled():
        return [model.objects.count() for model in (Session, Task, Message)]


def test_a_full_disk_keeps_nothing_by_halves_and_is_over_when_there_is_room(
    acme_api: Caller, full: Any
) -> None:
    most = 2**30
    body = {"message": "largo " * 5_000}
    for _ in range(2):
        assert_problem(acme_api.post(SEND, body), 503, "db_unavailable")
    assert num_rows() == [0, 0, 0]
    pragma("max_page_count", most)
    assert acme_api.post(SEND, body).status_code == 202
    assert num_rows() == [1, 1, 1]
