import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.demo import Demo
from tests.servers import COMMANDS, Running, run_server
from tests.serving import Installation

#: One process for all tests of this file, so that they share the servers that they start.
pytestmark = pytest.mark.xdist_group("servers")


@pytest.fixture(scope="module")
def shop(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return demo.installed_in(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def key(demo: Demo) -> str:
    return demo.key


@pytest.fixture(scope="module", params=list(COMMANDS))
def server(request: pytest.FixtureRequest, shop: Installation) -> Iterator[Running]:
    with run_server(request.param, shop) as running:
        yield running
        assert "Traceback" not in running.said()


def call(server: Running, key: str, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = json.load(connection.getresponse())
    connection.close()
    return answer


def wait_until_open(server: Running, key: str, number: int) -> None:
    until = time.monotonic() + 30
    while (found := call(server, key, "GET", "/ws/stats")["own_open"]) != number:
        assert time.monotonic() < until, f"{found} connections are open"
        time.sleep(0.05)


def test_a_reader_that_goes_away_is_forgotten(server: Running, key: str) -> None:
    sent = call(server, key, "POST", "/api/v1/chat/send", {"message": "hola"})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", sent["stream_url"], headers={"X-API-Key": key})
    response = connection.getresponse()
    assert response.readline() == b"retry: 1000\n"
    wait_until_open(server, key, 1)
    response.close()
    connection.close()
    wait_until_open(server, key, 0)


def test_a_socket_hears_of_what_a_request_does(server: Running, key: str) -> None:
    session_id = call(server, key, "POST", "/api/v1/sessions", {})["session_id"]
    address = f"ws://{server}/ws/ferreteria/{session_id}"
    with connect(address, additional_headers={"X-API-Key": key}) as socket:
        wait_until_open(server, key, 1)
        body = {"message": "hola", "session_id": session_id}
        call(server, key, "POST", "/api/v1/chat/send", body)
        # Sooner than the watcher would look by itself.
        assert json.loads(socket.recv(timeout=0.9))["type"] == "message.created"
    wait_until_open(server, key, 0)


def test_an_address_that_is_none_says_so(server: Running) -> None:
    with connect(f"ws://{server}/nowhere") as socket:
        assert json.loads(socket.recv(timeout=5))["data"]["code"] == "not_found"
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(timeout=5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404


def test_many_requests_share_few_threads(server: Running, key: str) -> None:
    with ThreadPoolExecutor(40) as pool:
        pages = list(pool.map(lambda _: call(server, key, "GET", "/api/v1/tasks"), range(120)))
    assert all(page["items"] for page in pages)
    # Eight for requests, eight for the database, and the server's own.
    assert psutil.Process(server.pid).num_threads() <= 20
