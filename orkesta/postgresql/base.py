"""One connection per thread, kept, and looked at before use without asking the server.

Threads are few and long-lived (`orkesta.http_handler`, `orkesta.database`), so a pool would give
each the same connection again, after a round trip to see whether it still works. A server that has
gone says so on the socket, and looking there costs one system call.

While PostgreSQL is away everybody is refused at once, and a thread of its own looks for the end of
the outage. So whoever comes after the end is served, in a process that was idle meanwhile, too.
"""

import select
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final, Self

from django.db.backends.postgresql import base
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.utils import DatabaseErrorWrapper, OperationalError
from django.utils.functional import cached_property
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction
from psycopg.sql import Literal

#: Between two looks whether PostgreSQL is back.
PROBE_SECONDS: Final = 0.25
#: A transaction whose process stands still (a paused machine) is ended, and with it its locks.
IDLE_TRANSACTION_SECONDS: Final = 10


class _Outage:
    """Whether connections can be had, as this process has found. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_on = False

    def begins(self, is_over: Callable[[], bool]) -> None:
        """Refuse everybody until `is_over`."""
        with self._lock:
            if self.is_on:
                return
            self.is_on = True
        threading.Thread(target=self._wait, args=(is_over,), name="outage", daemon=True).start()

    def _wait(self, is_over: Callable[[], bool]) -> None:
        try:
            while not is_over():
                time.sleep(PROBE_SECONDS)
        finally:
            self.is_on = False


#: Two that psycopg calls internal errors: the server has become a standby, the wrong one to speak
#: with; it has ended the connection of a process that stood still.
_AS_GOOD_AS_GONE: Final = (ReadOnlySqlTransaction, IdleInTransactionSessionTimeout)


class _Errors(DatabaseErrorWrapper):
    """What psycopg raises, in Django's words."""

    def __init__(self, connection: "DatabaseWrapper") -> None:
        super().__init__(connection)
        self._connection = connection

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, _AS_GOOD_AS_GONE):
            self._connection.close_at = 0.0  # at the end of this unit of work
            raise OperationalError(str(error)) from error
        super().__exit__(kind, error, trace)


class _SchemaEditor(DatabaseSchemaEditor):
    """Migrations take their time between two statements; nobody waits for their locks but them."""

    def __enter__(self) -> Self:
        super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            self.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection to PostgreSQL, which does not trust a connection that has gone, and is
    refused at once while an outage lasts.
    """

    SchemaEditorClass = _SchemaEditor
    _outage: ClassVar[_Outage] = _Outage()

    @cached_property
    def wrap_database_errors(self) -> _Errors:
        return _Errors(self)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self._outage.is_on:
            raise OperationalError("The database did not answer a moment ago.")
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            self._outage.begins(lambda: self._is_there(conn_params))
            raise

    def _is_there(self, conn_params: dict[str, Any]) -> bool:
        try:
            self.Database.connect(**conn_params).close()
        except self.Database.OperationalError:
            return False
        return True

    def _configure_connection(self, connection: Any) -> bool:
        seconds = IDLE_TRANSACTION_SECONDS
        connection.execute(f"SET idle_in_transaction_session_timeout = '{seconds}s'")
        super()._configure_connection(connection)  # type: ignore[misc]
        return True

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
