"""Writers of this process queue for SQLite's one write lock, instead of asking for it in turns.

SQLite makes a connection that finds the lock taken sleep, up to 100 ms at a time, while the lock
may long be free: with eight threads a transaction waited 117 ms for its BEGIN. Here a thread
starts its transaction in the moment another one of the process has ended its own. Other processes
(a management command) are still met as SQLite does it.
"""

from collections import defaultdict
from collections.abc import Iterable
from threading import Lock
from typing import Any, ClassVar

from django.db import transaction
from django.db.backends.sqlite3 import base, operations
from django.db.utils import OperationalError

DEFAULT_TIMEOUT_SECONDS = 5.0


class DatabaseOperations(operations.DatabaseOperations):
    """`manage.py flush` empties every table, also those whose rows triggers keep from going."""

    def execute_sql_flush(self, sql_list: Iterable[str]) -> None:
        with transaction.atomic(using=self.connection.alias):
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
                triggers = cursor.fetchall()
                for name, _ in triggers:
                    cursor.execute(f"DROP TRIGGER {self.quote_name(name)}")
            super().execute_sql_flush(sql_list)
            with self.connection.cursor() as cursor:
                for _, statement in triggers:
                    cursor.execute(statement)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that takes its turn before BEGIN, and gives it up after COMMIT or ROLLBACK."""

    ops_class = DatabaseOperations
    _turns: ClassVar[defaultdict[str, Lock]] = defaultdict(Lock)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._give_turn()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._give_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._give_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._give_turn()

    def _take_turn(self) -> None:
        """Raises OperationalError, as SQLite would, when it does not come within the timeout."""
        timeout = self.settings_dict["OPTIONS"].get("timeout", DEFAULT_TIMEOUT_SECONDS)
        if not self._turn.acquire(timeout=timeout):
            raise OperationalError("database is locked")
        self._has_turn = True

    def _give_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn.release()

    @property
    def _turn(self) -> Lock:
        return self._turns[str(self.settings_dict["NAME"])]
