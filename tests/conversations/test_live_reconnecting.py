import random
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from examples.client.reconnecting_client import Follower, Refused, send
from orkesta.env import PROJECT_ROOT
from tests.serving import Installation, Served

#: One process for all tests of this file, so that they share the server that they start.
pytestmark = pytest.mark.xdist_group("reconnecting")
QUESTION = "¿Cuánto cuesta el tubo PVC hidráulico de 1/2? Quiero saber también el de 3/4"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    slow = {"ORCHESTRATOR_OFFLINE_TOKEN_DELAY_MS": "25", "ORCHESTRATOR_DELTA_FRAME_MS": "5"}
    shop = Installation(tmp_path_factory.mktemp("shop") / "orkesta.sqlite3", settings=slow)
    with shop.serve("--demo") as running:
        yield running


class DroppingFollower(Follower):
    """Pulls the cable after every few events, without a word to the server."""

    num_drops = 0

    def _listen(self, connection: Any) -> Iterator[dict[str, Any]]:
        left = random.randint(1, 3)
        for event in super()._listen(connection):
            yield event
            left -= 1
            if left == 0:
                DroppingFollower.num_drops += 1
                connection.socket.shutdown(sockets.SHUT_RDWR)
                raise OSError("the cable is out")


def test_a_client_that_drops_every_few_tokens_ends_with_the_same_text(served: Served) -> None:
    url = f"http://127.0.0.1:{served.port}"
    accepted = send(url, key=served.key, message=QUESTION)
    follower = DroppingFollower(
        url.replace("http", "ws") + accepted["websocket_path"], key=served.key
    )
    answer, durable = None, []
    for event in follower.events():
        if event["type"] not in ("message.delta", "message.reset", "step.started"):
            durable.append(event["seq"])
        if event["type"] == "chat.response":
            answer = event["data"]
        if event["data"].get("status") in ("completed", "failed"):
            break
    stored = served.call("POST", "/api/v1/chat/status", {"task_id": accepted["task_id"]})
    assert answer is not None
    assert follower.texts[answer["message_id"]] == answer["content"]
    assert answer["content"] == stored["result"]["content"]
    assert durable == list(range(1, len(durable) + 1))
    assert DroppingFollower.num_drops > 5


def test_the_example_prints_the_answer(served: Served) -> None:
    command = [sys.executable, "reconnecting_client.py", "--key", served.key, QUESTION]
    told = subprocess.run(
        [*command, "--url", f"http://127.0.0.1:{served.port}"],
        cwd=PROJECT_ROOT / "examples/client",
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "$68.00" in told.stdout


def test_the_example_knows_when_coming_back_is_of_no_use(served: Served) -> None:
    follower = Follower(f"ws://127.0.0.1:{served.port}/ws/ferreteria/{'0' * 32}", key=served.key)
    with pytest.raises(Refused) as refused:
        list(follower.events())
    assert refused.value.args[0]["code"] == "not_found"
    assert refused.value.args[1] == 4404
