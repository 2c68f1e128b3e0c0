import random
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from examples.client.reconnecting_client import Follower, Refused, send
from orkesta.env import PROJECT_ROOT
from tests.serving import Served

#: One process for all tests that share the server that they start.
pytestmark = pytest.mark.xdist_group("live-shop")
QUESTION = "¿Cuánto cuesta el tubo PVC hidráulico de 1/2? Quiero saber también el de 3/4"


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


def test_a_client_that_drops_every_few_tokens_ends_with_the_same_text(live_shop: Served) -> None:
    url = f"http://127.0.0.1:{live_shop.port}"
    accepted = send(url, key=live_shop.key, message=QUESTION)
    follower = DroppingFollower(
        url.replace("http", "ws") + accepted["websocket_path"], key=live_shop.key
    )
    answer, durable = None, []
    for event in follower.events():
        if event["type"] not in ("message.delta", "message.reset", "step.started"):
            durable.append(event["seq"])
        if event["type"] == "chat.response":
            answer = event["data"]
        if event["data"].get("status") in ("completed", "failed"):
            break
    stored = live_shop.call("POST", "/api/v1/chat/status", {"task_id": accepted["task_id"]})
    assert answer is not None
    assert follower.texts[answer["message_id"]] == answer["content"]
    assert answer["content"] == stored["result"]["content"]
    assert durable == list(range(1, len(durable) + 1))
    assert DroppingFollower.num_drops > 5


def test_the_example_prints_the_answer(live_shop: Served) -> None:
    command = [sys.executable, "reconnecting_client.py", "--key", live_shop.key, QUESTION]
    told = subprocess.run(
        [*command, "--url", f"http://127.0.0.1:{live_shop.port}"],
        cwd=PROJECT_ROOT / "examples/client",
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "$68.00" in told.stdout


def test_the_example_knows_when_coming_back_is_of_no_use(live_shop: Served) -> None:
    follower = Follower(
        f"ws://127.0.0.1:{live_shop.port}/ws/ferreteria/{'0' * 32}", key=live_shop.key
    )
    with pytest.raises(Refused) as refused:
        list(follower.events())
    assert refused.value.args[0]["code"] == "not_found"
    assert refused.value.args[1] == 4404
