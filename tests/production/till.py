"""A till on a port of its own: it counts what it was asked to charge, by the key of each call.

`POST /charge` charges, once per key; `GET /calls/<key>` says what became of a call, `GET /price`
what something costs. `POST /hook` takes webhooks.
"""

import json
import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote


@dataclass
class Till:
    """Use as a context manager. `asked` counts requests and `charged` what came of them; `told`
    counts webhooks by their id.
    """

    asked: Counter[str] = field(default_factory=Counter)
    charged: set[str] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    port: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        self._stack.callback(thread.join, 10)
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def forget(self) -> None:
        self.asked.clear()
        self.charged.clear()
        self.told.clear()

    def calls_of(self, task_id: str) -> list[int]:
        """How often each call of the task was made."""
        return [times for key, times in self.asked.items() if key.startswith(task_id)]


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers are killed, here: a connection that breaks is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, till: Till, *args: Any) -> None:
        self._till = till
        super().__init__(*args)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/hook":
            self._till.told[self.headers["webhook-id"]] += 1
            self._say(200, {})
            return
        key = self.headers["Idempotency-Key"]
        self._till.asked[key] += 1
        self._till.charged.add(key)
        self._say(200, {"state": "charged"})

    def do_GET(self) -> None:
        if self.path == "/price":
            self._say(200, {"price": "12.50"})
            return
        key = unquote(self.path.removeprefix("/calls/"))
        is_known = key in self._till.charged
        self._say(200 if is_known else 404, {"state": "charged" if is_known else "unknown"})

    def _say(self, status: int, answer: dict[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """It says nothing."""
