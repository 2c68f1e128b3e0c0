"""Who speaks: a customer of Orkesta over REST and WebSocket, and the floor, which asks the mock.

Both take turns of the same shape: one message, the time to the first token of its answer, and the
time until the turn is whole.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Any, Final, Protocol

from bench.http_wire import ExchangeFailed, HttpConnection, request
from bench.mock_llm import ANSWER
from bench.setups import HOST, Mock, Orkesta
from bench.socket_wire import EventSocket

TURN_TIMEOUT_SECONDS: Final = 120.0
ENDINGS: Final = frozenset({"completed", "failed", "cancelled"})


class Variant(StrEnum):
    """Who decides on the agent: a routing rule (one LLM call a turn) or the LLM (two)."""

    RULE = "rule"
    LLM = "llm"


MESSAGES: Final = {
    Variant.RULE: "Buenas tardes, ¿qué precio tiene el tubo de PVC de media pulgada?",
    Variant.LLM: "Buenas tardes, una duda sobre lo que hablamos ayer por teléfono.",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds until the message was accepted, to the first token, and to the end; `failure` says
    why there was no answer.
    """

    accepted: float = 0.0
    first_token: float = 0.0
    whole: float = 0.0
    failure: str = ""


class Talker(Protocol):
    async def open(self) -> None: ...

    async def turn(self, *, since: float | None = None) -> Turn:
        """One message and its answer, timed from `since` (perf_counter) or from now. Never raises
        for a turn that fails.
        """
        ...

    def close(self) -> None: ...


class FloorTalker:
    """Asks the mock itself what Orkesta would ask it, and nothing else."""

    def __init__(self, mock: Mock, variant: Variant) -> None:
        self._mock = mock
        self._variant = variant
        self._http: HttpConnection | None = None
        host = f"{HOST}:{mock.port}"
        asked = [{"role": "user", "content": MESSAGES[variant]}]
        agents = {"type": "string", "enum": ["catalogo", "pedidos"]}
        schema = {"type": "object", "properties": {"agent_name": agents}}
        wanted = {"type": "json_schema", "json_schema": {"name": "decision", "schema": schema}}
        classify = {"model": "bench", "messages": asked, "response_format": wanted}
        answer = {"model": "bench", "messages": asked, "stream": True}
        path = "/v1/chat/completions"
        self._classify = request("POST", path, host=host, body=classify)
        self._answer = request("POST", path, host=host, body=answer)

    async def open(self) -> None:
        """It connects with its first turn."""

    async def turn(self, *, since: float | None = None) -> Turn:
        started = perf_counter() if since is None else since
        try:
            if self._http is None:
                self._http = await HttpConnection.open(HOST, self._mock.port)
            if self._variant is Variant.LLM:
                await self._http.exchange(self._classify)
            reply = await self._http.exchange(self._answer, mark=b'"content":"palabra00')
        except OSError as exc:
            return Turn(failure=f"floor: {exc}")
        assert reply.marked_at is not None
        return Turn(0.0, reply.marked_at - started, perf_counter() - started)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()


class OrkestaTalker:
    """One customer with a session and its socket; sends by REST, listens on the socket."""

    def __init__(self, orkesta: Orkesta, variant: Variant) -> None:
        self._orkesta = orkesta
        self._variant = variant
        self._host = f"{HOST}:{orkesta.port}"
        self._headers = {"Authorization": f"Bearer {orkesta.key}"}
        self._http: HttpConnection | None = None
        self._first_token_at: float | None = None
        self._answer = ""
        self._ended: asyncio.Future[str] | None = None

    async def open(self) -> None:
        """Open a session and its socket. The connection that sends is made by the first turn."""
        http = await HttpConnection.open(HOST, self._orkesta.port)
        opening = request(
            "POST", "/api/v1/sessions", host=self._host, body={}, headers=self._headers
        )
        reply = await http.exchange(opening)
        http.close()
        if reply.status != 201:
            raise ConnectionError(f"no session: {reply.status} {reply.body[:300]!r}")
        session_id = reply.json()["session_id"]
        body = {"message": MESSAGES[self._variant], "session_id": session_id}
        self._send = request(
            "POST", "/api/v1/chat/send", host=self._host, body=body, headers=self._headers
        )
        self._socket = await EventSocket.open(
            HOST,
            self._orkesta.port,
            f"/ws/{self._orkesta.tenant}/{session_id}",
            key=self._orkesta.key,
            on_event=self._on_event,
            on_end=self._on_end,
        )

    async def turn(self, *, since: float | None = None) -> Turn:
        started = perf_counter() if since is None else since
        self._first_token_at, self._answer = None, ""
        self._ended = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(TURN_TIMEOUT_SECONDS):
                if self._http is None:
                    self._http = await HttpConnection.open(HOST, self._orkesta.port)
                reply = await self._http.exchange(self._send)
                if reply.status != 202:
                    return Turn(failure=f"{reply.status} {reply.body[:200]!r}")
                accepted = perf_counter() - started
                failure = await self._ended
        except TimeoutError:
            return Turn(failure="no answer in time")
        except (ExchangeFailed, OSError) as exc:
            return Turn(failure=f"sending: {exc}")
        whole = perf_counter() - started
        if failure or self._first_token_at is None or self._answer != ANSWER.strip():
            return Turn(failure=failure or "the answer is not what the mock said")
        return Turn(accepted, self._first_token_at - started, whole)

    def close(self) -> None:
        self._socket.close()
        if self._http is not None:
            self._http.close()

    def _on_event(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "message.delta":
            if self._first_token_at is None:
                self._first_token_at = perf_counter()
        elif kind == "chat.response":
            self._answer = event["data"]["content"].strip()
        elif kind == "task.status_changed" and event["data"]["status"] in ENDINGS:
            status = event["data"]["status"]
            self._settle("" if status == "completed" else str(event["data"]))

    def _on_end(self, end: str) -> None:
        self._settle(end)

    def _settle(self, failure: str) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(failure)
