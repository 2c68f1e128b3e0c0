import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from orkesta.env import PROJECT_ROOT
from tests.serving import Installation, Served, find_line

#: One process for all tests of this file, so that they share the server that they start.
pytestmark = pytest.mark.xdist_group("serve")

QUICK_LEASE = {"ORCHESTRATOR_LEASE_SECONDS": "1", "ORCHESTRATOR_LEASE_RENEW_SECONDS": "0.3"}
#: Slow enough that there is time to kill a process in the middle of an answer.
SLOW_ANSWERS = {"ORCHESTRATOR_OFFLINE_TOKEN_DELAY_MS": "60"}
PRICE = "¿Cuánto cuesta el tubo PVC hidráulico de 1/2?"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("shop") / "orkesta.sqlite3")


@pytest.fixture(scope="module")
def served(shop: Installation) -> Iterator[Served]:
    with shop.serve("--demo") as running:
        yield running


@pytest.fixture
def copied(served: Served, shop: Installation, tmp_path: Path) -> Installation:
    copy = tmp_path / "copy.sqlite3"
    with sqlite3.connect(shop.database) as connection:
        connection.execute("VACUUM INTO ?", [str(copy)])
    return Installation(copy, settings=QUICK_LEASE)


def test_it_says_how_to_enter(served: Served) -> None:
    url = f"http://127.0.0.1:{served.port}"
    find_line(served.lines, f"Orkesta is running at {url}")
    find_line(served.lines, rf"Admin   {url}/admin/   user demo   password \S{{12,}}")
    find_line(served.lines, "Tenant  ferreteria")
    find_line(served.lines, r"API key ork_test_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
    find_line(served.lines, rf"curl .*{url}/api/v1/chat/send .*Bearer {served.key}.*")
    follow = (
        rf".*/python examples/\S+ --url {url} --key {served.key} '.*'   # ws://.*/ws/ferreteria/.*"
    )
    find_line(served.lines, follow)


@pytest.mark.parametrize("tool", ["curl", "reconnecting_client.py"])
def test_what_it_says_to_paste_works(served: Served, tool: str) -> None:
    line = next(line for line in served.lines if tool in line)
    done = subprocess.run(
        line, shell=True, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    if tool == "curl":
        assert json.loads(done.stdout)["status"] == "queued"
    else:
        assert "$68.00" in done.stdout


def test_a_message_is_answered_with_a_price(served: Served) -> None:
    found = served.wait_for(served.send(PRICE), "completed", "failed")
    assert found["status"] == "completed"
    assert found["result"]["agent"] == "catalogo"
    assert "$68.00" in found["result"]["content"]


def test_a_second_process_on_the_same_file_is_refused(served: Served, shop: Installation) -> None:
    second = shop.run("serve")
    assert second.returncode == 1
    assert f"Another process (pid {served.process.pid}) already serves" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_refused_in_words(served: Served, copied: Installation) -> None:
    copied.port = served.port
    refused = copied.run("serve")
    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {served.port}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_without_tables_is_refused_in_words(tmp_path: Path) -> None:
    refused = Installation(tmp_path / "empty.sqlite3").run("serve")
    assert refused.returncode == 1
    assert "manage.py migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.chaos
def test_what_was_accepted_is_answered_whatever_ends_the_process(copied: Installation) -> None:
    copied.settings = QUICK_LEASE | SLOW_ANSWERS
    with copied.serve() as first:
        key, killed = first.key, first.send(PRICE)
        first.wait_for(killed, "processing")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with copied.serve() as second:
        assert second.key == key
        assert "$68.00" in second.wait_for(killed, "completed", "failed")["result"]["content"]
        drained = second.send(PRICE)
        second.wait_for(drained, "processing")
        assert second.end(signal.SIGTERM) == 0
    with copied.serve() as third:
        assert "$68.00" in third.wait_for(drained, "completed", "failed")["result"]["content"]
        session_id = third.call("GET", f"/api/v1/tasks/{drained}")["session_id"]
        with third.watch(session_id) as socket:
            assert third.end(signal.SIGINT) == 0
            with pytest.raises(ConnectionClosed):
                list(socket)
            assert socket.close_code == 1012
        assert "Traceback" not in third.log.read_text()
