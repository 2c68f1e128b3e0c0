"""What clients were told was accepted, and how they insist on being told."""

import json
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from time import monotonic, sleep
from typing import Final

import httpx2

from tests.production.cluster import SEND

#: Longer than any fault lasts.
PATIENCE_SECONDS: Final = 60.0
TURNS_OF_A_SESSION: Final = 4


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A message that the server answered 202."""

    text: str
    task_id: str
    session_id: str


@dataclass
class History:
    """All of them, in the order of their answers, and how often a request had to be repeated."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    num_repeats: int = 0
    statuses: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, told: Acknowledged) -> None:
        with self._lock:
            self.acknowledged.append(told)

    def note_repeat(self, status: int) -> None:
        with self._lock:
            self.num_repeats += 1
            self.statuses.add(status)


@dataclass(frozen=True, slots=True)
class Talker:
    """One client, for one thread. It goes to any of the servers, and repeats a request with the
    same `Idempotency-Key` until it is answered.
    """

    history: History
    urls: Sequence[str]
    key: str
    random: Random
    has_room: Callable[[], bool]

    def talk(self, numbers: Sequence[int]) -> None:
        """Send a message for each number, a few to each session."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        session_id: str | None = None
        with httpx2.Client(headers=headers, timeout=5) as client:
            for turn, number in enumerate(numbers):
                while not self.has_room():
                    sleep(0.01)
                if turn % TURNS_OF_A_SESSION == 0:
                    session_id = None
                told = self._insist(client, self._text(number), session_id)
                session_id = told.session_id
                self.history.note(told)

    def _text(self, number: int) -> str:
        """Five steps: who answers, the calls, one, the other, the answer. Six where one falls."""
        slow = self.random.choice((0.0, 0.05, 0.3))
        fall = self.random.choice(("", "", "", "[fall] "))
        tool = self.random.choice(("charge_idempotent", "charge_check"))
        return f"mensaje {fall}[think:{slow}] [slow:{slow}] [call:price,{tool}] #{number}"

    def _insist(self, client: httpx2.Client, text: str, session_id: str | None) -> Acknowledged:
        body = {"message": text} | ({"session_id": session_id} if session_id else {})
        name = uuid.UUID(int=self.random.getrandbits(128)).hex
        until = monotonic() + PATIENCE_SECONDS
        while True:
            status = 0
            try:
                url = self.random.choice(self.urls) + SEND
                answer = client.post(
                    url, content=json.dumps(body), headers={"Idempotency-Key": name}
                )
                status = answer.status_code
                if status == 202:
                    sent = answer.json()
                    return Acknowledged(text, sent["task_id"], sent["session_id"])
                assert status in {409, 500, 503}, answer.text
            except httpx2.TransportError:
                pass
            assert monotonic() < until, f"{text}: {status}"
            self.history.note_repeat(status)
            sleep(0.1)
