"""The text of an answer on its way out: the first piece at once, then in frames.

Deltas are not rows. Each frame first lands in the partial-text store, then goes to watchers with
the character offset where it starts, so a client that comes back asks for the rest from there.
"""

import asyncio
from time import monotonic
from typing import Any

from django.conf import settings
from django.utils import timezone

from conversations import live
from conversations.engine.claims import Claim
from conversations.engine.facts import answer_id
from conversations.live import LiveEvent
from conversations.partial import PartialText, get_partial_store
from orkesta.failpoints import Failpoint, failpoint


class AnswerStream:
    """One run of one answer, named by `stream`: a new attempt, or another agent, starts anew."""

    def __init__(self, claim: Claim, *, step_number: int, last_seq: int) -> None:
        self.text = ""
        self._claim = claim
        self._message_id = answer_id(claim.task_id)
        self._number = step_number
        self._stream = f"{claim.attempt}.{step_number}"
        self._last_seq = last_seq
        self._num_sent = 0
        self._sent_at = 0.0
        self._timer: asyncio.Task[None] | None = None

    async def restart(self) -> None:
        """Tell watchers to drop what an earlier run of this answer showed them."""
        await self._put()
        await self._publish(
            "message.reset", {"message_id": str(self._message_id), "stream": self._stream}
        )

    async def push(self, piece: str) -> None:
        """Add a piece of text. It is sent now, or with its neighbours within one frame's time."""
        self.text += piece
        wait = self._sent_at + settings.ORKESTA_DELTA_FRAME_SECONDS - monotonic()
        if wait <= 0:
            await self.flush()
        elif self._timer is None:
            self._timer = asyncio.create_task(self._flush_after(wait))

    async def flush(self) -> None:
        """Send what has not been sent."""
        self._sent_at = monotonic()
        offset, fresh = self._num_sent, self.text[self._num_sent :]
        if not fresh:
            return
        self._num_sent = len(self.text)
        await self._put()
        data = {
            "message_id": str(self._message_id),
            "stream": self._stream,
            "offset": offset,
            "text": fresh,
        }
        await self._publish("message.delta", data)
        failpoint(Failpoint.TEXT_SENT)

    async def close(self) -> None:
        """Send the rest; no frame follows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.flush()

    async def withdraw(self) -> None:
        """Take back what was shown: the model goes on with calls, and this is not its answer. The
        next run of the text is named after a later step, so nothing can be mistaken for it.
        """
        if not self.text:
            return
        self.text, self._num_sent = "", 0
        self._stream = f"{self._claim.attempt}.{self._number + 1}"
        await self.restart()

    async def discard(self) -> None:
        """Forget the partial text; the message itself has been stored, or never will be."""
        await get_partial_store().discard(self._claim.tenant_id, self._claim.task_id)

    async def _flush_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._timer = None
        await self.flush()

    async def _put(self) -> None:
        if self._claim.is_branch:
            return
        partial = PartialText(self._message_id, self._stream, self.text)
        await get_partial_store().put(self._claim.tenant_id, self._claim.task_id, partial)

    async def _publish(self, kind: str, data: dict[str, Any]) -> None:
        if self._claim.is_branch:  # no customer reads what it says
            return
        event = LiveEvent(
            kind,
            self._claim.session_id,
            self._claim.task_id,
            self._last_seq,
            timezone.now(),
            data,
            False,
        )
        await live.publish(self._claim.tenant_id, self._claim.session_id, [event])


async def announce_step(claim: Claim, *, number: int, kind: str, agent: str, last_seq: int) -> None:
    """Tell watchers that a step has begun; nothing is stored of it."""
    data: dict[str, Any] = {"number": number, "kind": kind, "agent": agent}
    if claim.parent_id is not None:
        data["parent_task_id"] = str(claim.parent_id)
    event = LiveEvent(
        "step.started", claim.session_id, claim.task_id, last_seq, timezone.now(), data, False
    )
    await live.publish(claim.tenant_id, claim.session_id, [event])
