"""How much may be sent to a client that may not be reading. Pure: time is given, not asked for.

Some servers (daphne) buffer without end what a client does not read. So what has been sent counts
as unread until the client proves otherwise: by answering a ping with its id, or by acknowledging a
cursor, neither of which it can know before it has read that far. Clients that never prove anything
still get everything, but no faster than a steady stream: the unread part is taken to shrink by
`RATE` bytes a second. The server's own protocol pings end those that are really gone.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

#: Bytes on their way to a client.
BURST: Final = 1_048_576
#: Bytes per second that are taken for read without proof; many times what any LLM writes.
RATE: Final = 262_144
MAX_MARKS: Final = 512


@dataclass(slots=True)
class Backlog:
    """What one client has not proved to have read."""

    _unread: float = 0.0
    _num_sent: int = 0
    _at: float = 0.0
    _marks: deque[tuple[str, int]] = field(default_factory=lambda: deque(maxlen=MAX_MARKS))

    @property
    def is_half_full(self) -> bool:
        return self._unread > BURST / 2

    def wait(self, size: int, *, now: float) -> float:
        """Seconds until `size` bytes may be sent; 0 is now. Huge frames wait for an empty line."""
        self._shrink(now)
        excess = self._unread + min(size, BURST) - BURST
        return max(0.0, excess / RATE)

    def sent(self, size: int, *, mark: str, now: float) -> None:
        """Note what was sent; naming `mark` later proves that it was read."""
        self._shrink(now)
        self._unread += size
        self._num_sent += size
        if not self._marks or self._marks[-1][0] != mark:
            self._marks.append((mark, self._num_sent))
        else:
            self._marks[-1] = (mark, self._num_sent)

    def heard(self, mark: str) -> bool:
        """Take `mark` as a proof. False when it was never sent, or is known already."""
        if all(known != mark for known, _ in self._marks):
            return False
        while self._marks:
            known, num_sent = self._marks.popleft()
            if known == mark:
                self._unread = min(self._unread, float(self._num_sent - num_sent))
                break
        return True

    def _shrink(self, now: float) -> None:
        self._unread = max(0.0, self._unread - RATE * (now - self._at))
        self._at = now
