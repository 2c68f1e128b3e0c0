"""Says quickly that PostgreSQL is away, and finds it again as soon as it is back.

Django's pool makes everybody who wants a connection wait for it while PostgreSQL is down, so each
thread that serves requests would be held for the whole timeout, again and again. Here one caller
waits, and for a short while afterwards all others are refused at once.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from django.db.backends.postgresql import base
from django.db.utils import OperationalError

#: After a failure only one caller in so many seconds tries again.
PAUSE_SECONDS: Final = 0.5


@dataclass(slots=True)
class _Outage:
    """Whether connections can be had, as the threads of this process have found."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    next_try_at: float | None = None  # monotonic seconds; None while all is well

    def wait_for_turn(self) -> None:
        """Raises OperationalError unless the caller may try."""
        if self.next_try_at is None:
            return
        with self.lock:
            now = time.monotonic()
            if self.next_try_at is None or now >= self.next_try_at:
                self.next_try_at = now + PAUSE_SECONDS
                return
        raise OperationalError("The database did not answer a moment ago.")

    def begins(self) -> None:
        self.next_try_at = time.monotonic() + PAUSE_SECONDS

    def is_over(self) -> None:
        self.next_try_at = None


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection to PostgreSQL, refused at once while an outage lasts."""

    _outage: ClassVar[_Outage] = _Outage()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._outage.wait_for_turn()
        try:
            connection = super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            self._outage.begins()
            raise
        self._outage.is_over()
        return connection
