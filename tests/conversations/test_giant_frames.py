"""Frames that are too large, at the server of `make run`, which refuses them before we see them."""

import json

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.serving import Served

LARGEST = 64 * 1024


def frame(size: int) -> str:
    empty = json.dumps({"type": "ping", "x": ""})
    return json.dumps({"type": "ping", "x": "a" * (size - len(empty))})


def hear_out(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=20)


@pytest.mark.xdist_group("live-shop")
def test_who_sends_a_giant_frame_is_told_why_it_ends(live_shop: Served) -> None:
    session_id = live_shop.call("POST", "/api/v1/sessions", {})["session_id"]
    with live_shop.watch(session_id) as socket:
        socket.send(frame(LARGEST))
        assert json.loads(socket.recv(timeout=20))["type"] == "pong"
        socket.send(frame(LARGEST + 1))
        with pytest.raises(ConnectionClosed):
            hear_out(socket)
        assert socket.close_code == 1009
