"""Ask an Orkesta tenant something and follow the answer, whatever becomes of the connection.

    python reconnecting_client.py --key ork_test_… "¿Cuánto cuesta el tubo?"

Needs Python 3.11 and `pip install websockets`. Made to be read and copied: everything that matters
is in `Follower`. It keeps one thing, the `cursor` of the last event, and comes back with it. The
server then sends what was missed, each event once and in order, even in the middle of a message.
"""

import argparse
import json
import random
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

#: After these the same connection would be refused again: 4400 to 4404 are about you, not the line.
FINAL_CLOSE_CODES = {4400, 4401, 4403, 4404}
MAX_PAUSE_SECONDS = 10.0


class Refused(Exception):
    """The server does not want this connection; the arguments are its error and its close code."""


class Follower:
    """The live events of one session, over as many connections as it takes."""

    def __init__(self, address: str, *, key: str, cursor: str = "") -> None:
        self.address, self.cursor = address, cursor
        self.texts: dict[str, str] = {}
        self._headers = {"Authorization": f"Bearer {key}"}
        self._error: dict[str, Any] = {}
        self._failures = 0

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event once, in order, for ever. Raises Refused when coming back is of no use."""
        while True:
            try:
                with connect(self._url(), additional_headers=self._headers) as connection:
                    yield from self._listen(connection)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                if code in FINAL_CLOSE_CODES:
                    raise Refused(self._error, code) from None
            except (OSError, InvalidHandshake):
                pass
            self._failures += 1
            # Twice as long after each failure, and never in step with other clients.
            time.sleep(random.uniform(0, min(MAX_PAUSE_SECONDS, 0.1 * 2**self._failures)))

    def _listen(self, connection: ClientConnection) -> Iterator[dict[str, Any]]:
        for frame in connection:
            event = json.loads(frame)
            self.cursor = event["cursor"]
            self._failures = 0
            match event["type"]:
                case "ping":
                    connection.send(json.dumps({"type": "pong", "id": event["data"]["id"]}))
                    continue
                case "error":
                    self._error = event["data"]
                case "message.reset":
                    self.texts[event["data"]["message_id"]] = ""
                case "message.delta":
                    self._add(**event["data"])
            yield event

    def _add(self, *, message_id: str, offset: int, text: str, **_: Any) -> None:
        """`offset` counts characters, as Python does, and not bytes."""
        self.texts[message_id] = self.texts.get(message_id, "")[:offset] + text

    def _url(self) -> str:
        return f"{self.address}?cursor={self.cursor}" if self.cursor else self.address


def send(base_url: str, *, key: str, message: str, session_id: str = "") -> dict[str, Any]:
    """Post the message. The Idempotency-Key makes it safe to send the same request again."""
    body = json.dumps({"message": message, "session_id": session_id}).encode()
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    request = Request(f"{base_url}/api/v1/chat/send", body, headers, method="POST")
    with urlopen(request, timeout=10) as response:
        accepted: dict[str, Any] = json.load(response)
    return accepted


def ask(base_url: str, *, key: str, message: str) -> Iterator[str]:
    """The pieces of the answer as they come."""
    accepted = send(base_url, key=key, message=message)
    address = base_url.replace("http", "ws", 1) + accepted["websocket_path"]
    for event in Follower(address, key=key).events():
        if event["task_id"] != accepted["task_id"]:
            continue
        data = event["data"]
        if event["type"] == "message.delta":
            yield data["text"]
        elif event["type"] == "message.reset":
            yield "\n[the answer begins anew]\n"
        elif data.get("status") in {"completed", "failed", "cancelled"}:
            return


def main() -> None:
    arguments = argparse.ArgumentParser(description="Ask, and follow the answer.")
    arguments.add_argument("message")
    arguments.add_argument("--url", default="http://127.0.0.1:8000")
    arguments.add_argument("--key", required=True)
    given = arguments.parse_args()
    try:
        for piece in ask(given.url, key=given.key, message=given.message):
            sys.stdout.write(piece)
            sys.stdout.flush()
    except HTTPError as refused:
        sys.exit(json.load(refused)["detail"])
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
