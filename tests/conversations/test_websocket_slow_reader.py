import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest
from websockets.sync.client import ClientConnection, connect

from examples.client.reconnecting_client import Follower
from tests.serving import Installation, Served

#: One process for all tests of this file, so that they share the server that they start.
pytestmark = pytest.mark.xdist_group("slow-reader")
NUM_EVENTS = 3000
IMPATIENT = {
    "ORCHESTRATOR_WEBSOCKET_PING_INTERVAL": "1",
    "ORCHESTRATOR_WEBSOCKET_PING_TIMEOUT": "1",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("shop") / "orkesta.sqlite3", settings=IMPATIENT)


@pytest.fixture(scope="module")
def served(shop: Installation) -> Iterator[Served]:
    with shop.serve("--demo") as running:
        yield running


@pytest.fixture(scope="module")
def address(shop: Installation, served: Served) -> str:
    """A session whose story has 30 MB."""
    session_id = served.call("POST", "/api/v1/sessions", {})["session_id"].replace("-", "")
    story = json.dumps({"status": "open", "filler": "x" * 10_000})
    with closing(sqlite3.connect(shop.database, timeout=20)) as connection, connection:
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
    return f"ws://127.0.0.1:{served.port}/ws/ferreteria/{session_id}"


def open_socket(address: str, served: Served) -> ClientConnection:
    """Takes a frame or two from the line and no more, pings of the protocol included."""
    return connect(
        address, additional_headers={"X-API-Key": served.key}, max_queue=1, ping_interval=None
    )


def num_closed(served: Served, code: str) -> int:
    found: int = served.call("GET", "/ws/stats")["closed_by_code"].get(code, 0)
    return found


def test_who_does_not_read_is_given_up_and_costs_no_memory(address: str, served: Served) -> None:
    process = psutil.Process(served.process.pid)
    before, until = process.memory_info().rss, time.monotonic() + 20
    silent = [open_socket(address, served) for _ in range(8)]
    while num_closed(served, "4408") + num_closed(served, "1006") < 8:
        assert time.monotonic() < until, served.call("GET", "/ws/stats")
        assert process.memory_info().rss - before < 60_000_000
        time.sleep(0.2)
    for connection in silent:
        connection.socket.close()


def test_who_reads_gets_everything_fast(address: str, served: Served) -> None:
    seqs, started = [], time.monotonic()
    for event in Follower(address, key=served.key).events():
        seqs.append(event["seq"])
        if seqs[-1] == NUM_EVENTS:
            break
    assert seqs == list(range(1, NUM_EVENTS + 1))
    assert time.monotonic() - started < 20
