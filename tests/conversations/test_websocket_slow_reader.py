import json
import sqlite3
import time
from contextlib import closing

import psutil
import pytest
from websockets.sync.client import ClientConnection, connect

from examples.client.reconnecting_client import Follower
from tests.serving import Served

#: One process for all tests that share the server that they start.
pytestmark = pytest.mark.xdist_group("live-shop")
NUM_EVENTS = 5000
NUM_SILENT = 8
#: What a socket reads of the story at a time, what it has queued and what the allocator keeps of
#: both is 5 to 8 MB, so 40 to 64 MB for all; the whole story for each would be 400 MB.
MOST_BYTES = 180_000_000


@pytest.fixture(scope="module")
def address(live_shop: Served) -> str:
    """A session whose story has 50 MB."""
    session_id = live_shop.call("POST", "/api/v1/sessions", {})["session_id"].replace("-", "")
    story = json.dumps({"status": "open", "filler": "x" * 10_000})
    with (
        closing(sqlite3.connect(live_shop.log.with_suffix(""), timeout=20)) as connection,
        connection,
    ):
        tenant_id, last = connection.execute(
            "SELECT tenant_id, last_seq FROM conversations_session WHERE id = ?", [session_id]
        ).fetchone()
        connection.executemany(
            "INSERT INTO conversations_event (tenant_id, session_id, seq, type, data, created_at)"
            " VALUES (?, ?, ?, 'session.status_changed', ?, '2026-11-20 12:00:00')",
            [(tenant_id, session_id, last + n, story) for n in range(1, NUM_EVENTS + 1)],
        )
        connection.execute(
            "UPDATE conversations_session SET last_seq = ? WHERE id = ?",
            [last + NUM_EVENTS, session_id],
        )
    return f"ws://127.0.0.1:{live_shop.port}/ws/ferreteria/{session_id}"


def open_socket(address: str, live_shop: Served) -> ClientConnection:
    """Takes a frame or two from the line and no more, pings of the protocol included."""
    return connect(
        address, additional_headers={"X-API-Key": live_shop.key}, max_queue=1, ping_interval=None
    )


def num_given_up(live_shop: Served) -> int:
    """Closed by us, or by daphne, whose pings stay unanswered as well."""
    found = live_shop.call("GET", "/ws/stats")["closed_by_code"]
    return int(found.get("4408", 0) + found.get("1006", 0))


def test_who_does_not_read_is_given_up_and_costs_no_memory(address: str, live_shop: Served) -> None:
    process = psutil.Process(live_shop.process.pid)
    already = num_given_up(live_shop)
    before, until = process.memory_info().rss, time.monotonic() + 60
    silent = [open_socket(address, live_shop) for _ in range(NUM_SILENT)]
    while num_given_up(live_shop) < already + NUM_SILENT:
        assert time.monotonic() < until, live_shop.call("GET", "/ws/stats")
        assert process.memory_info().rss - before < MOST_BYTES
        time.sleep(0.2)
    for connection in silent:
        connection.socket.close()


def test_who_reads_gets_everything_fast(address: str, live_shop: Served) -> None:
    seqs, started = [], time.monotonic()
    for event in Follower(address, key=live_shop.key).events():
        seqs.append(event["seq"])
        if seqs[-1] == NUM_EVENTS:
            break
    assert seqs == list(range(1, NUM_EVENTS + 1))
    assert time.monotonic() - started < 60
