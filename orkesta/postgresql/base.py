"""One connection per thread, kept, and looked at before use without asking the server.

Threads are few and long-lived (`orkesta.http_handler`, `orkesta.database`), so a pool would give
each the same connection again, after a round trip to see whether it still works. A server that has
gone says so on the socket, and looking there costs one system call.

While PostgreSQL is away one caller waits for it, and for a short while afterwards all others are
refused at once.
"""

import select
import threading
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from django.db.backends.postgresql import base
from django.db.utils import OperationalError
from psycopg.sql import Literal

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
    """Django's connection to PostgreSQL, which does not trust a connection that has gone, and is
    refused at once while an outage lasts.
    """

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

    def prepared_cursor(self) -> Any:
        """A cursor whose statements PostgreSQL plans once (`prepare_threshold`) and is then only
        sent values for. Half of its CPU time in a turn went into planning.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            return self._prepare_cursor(base.ServerBindingCursor(self.connection))  # type: ignore[attr-defined,call-arg]

    def as_literal(self, value: Any) -> str:
        """`value` as it is written into SQL text that also has `%s` in it."""
        self.ensure_connection()
        return Literal(value).as_string(self.connection).replace("%", "%%")

    def close_if_health_check_failed(self) -> None:
        if self.connection is None or not self.health_check_enabled or self.health_check_done:  # type: ignore[attr-defined,has-type]
            return
        # An idle connection has nothing to say, unless it is that the server shuts down.
        if _has_news(self.connection) and not self.is_usable():
            self.close()
        self.health_check_done = True


def _has_news(connection: Any) -> bool:
    """Whether a connection at rest is closed, or bytes or the end of the stream wait to be read."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
