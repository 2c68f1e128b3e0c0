"""How asynchronous code uses the database: one sync function, one thread of a bounded pool.

Django's `sync_to_async` would run all of a worker's queries one after another in a single thread,
and a thread per task would open a connection per task. Here `ORCHESTRATOR_DATABASE_THREADS`
threads are kept, each with its own persistent connection, so concurrency and connections are
bounded by the same number.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Barrier
from typing import Any, Final, ParamSpec, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import close_old_connections, connection, connections, models
from django.db.models import sql

P = ParamSpec("P")
R = TypeVar("R")
#: Whether units run in the thread that waits in `run_here`.
_is_here: Final = contextvars.ContextVar("is_here", default=False)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.ORKESTA_DATABASE_THREADS, thread_name_prefix="database")


async def in_thread(unit: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `unit` in a database thread with the caller's context variables.

    Connections that broke or outlived their age are closed around it, as Django does around a
    request: without that every query after a restart of PostgreSQL would fail.
    """
    if _is_here.get():
        return await sync_to_async(unit)(*args, **kwargs)
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(
        _pool(), lambda: context.run(_with_fresh_connections, unit, args, kwargs)
    )


@contextmanager
def in_this_thread() -> Iterator[None]:
    """Inside, what coroutines ask of the database is asked in the thread that waits for them, on
    its connection and so in its transaction; one unit after the other.
    """
    token = _is_here.set(True)
    try:
        yield
    finally:
        _is_here.reset(token)


def run_here(unit: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a coroutine to its end from where no event loop runs, `in_this_thread`."""
    with in_this_thread():
        return async_to_sync(unit)(*args, **kwargs)


def _with_fresh_connections(unit: Callable[..., R], args: tuple, kwargs: dict) -> R:  # type: ignore[type-arg]
    close_old_connections()
    try:
        return unit(*args, **kwargs)
    finally:
        close_old_connections()


def close_pool() -> None:
    """End the threads and close their connections; a later call starts a new pool."""
    pool, num_threads = _pool(), settings.ORKESTA_DATABASE_THREADS
    together = Barrier(num_threads)

    def close() -> None:
        together.wait()  # so that each thread takes one
        connections.close_all()

    for _ in range(num_threads):
        pool.submit(close)
    pool.shutdown(wait=True)
    _pool.cache_clear()


def take_turns(name: str) -> None:
    """Let one transaction after another go on from here, of those that name the same thing; until
    this one ends. To be called before rows are locked, never after.
    """
    if connection.vendor != "postgresql":
        return  # SQLite has one writer at a time anyway
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def update_returning(
    rows: models.QuerySet[Any], values: Mapping[str, Any], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """`UPDATE … RETURNING columns` in one statement: what `QuerySet.update` cannot tell.

    `values` may hold expressions, as in `update`. Both PostgreSQL and SQLite (3.35) speak it.
    """
    query: Any = rows.query.chain(sql.UpdateQuery)
    query.add_update_values(dict(values))
    compiler = query.get_compiler(rows.db)
    statement, params = compiler.as_sql()
    fields = [rows.model._meta.get_field(name) for name in columns]
    names = ", ".join(compiler.connection.ops.quote_name(field.column) for field in fields)
    expressions = [field.get_col(rows.model._meta.db_table) for field in fields]
    converters = compiler.get_converters(expressions)
    with compiler.connection.cursor() as cursor:
        cursor.execute(f"{statement} RETURNING {names}", params)
        found = compiler.apply_converters(cursor.fetchall(), converters)
        return [dict(zip(columns, row, strict=True)) for row in found]
