"""SQL statements a turn costs, counted on every connection of a process that does both halves.

    python -m bench.queries --llm http://127.0.0.1:9000/v1      in an environment of its own

Prints one JSON line: by variant, the statements of the edge (`post_message`) and of the engine
(claim, load, record; `run_once`) on a warm process. BEGIN and savepoints are not counted.
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import django
import orjson

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orkesta.settings")
django.setup()

from django.db.backends.signals import connection_created  # noqa: E402

from bench.talkers import MESSAGES, Variant  # noqa: E402
from bench.tenant import make_tenant  # noqa: E402
from conversations.engine.worker import Worker  # noqa: E402
from conversations.models import Task  # noqa: E402
from conversations.services import open_session, post_message  # noqa: E402
from conversations.states import TaskStatus  # noqa: E402
from orkesta.database import close_pool  # noqa: E402
from routing.gateway import get_gateway  # noqa: E402
from tenants.authentication import authenticate_key  # noqa: E402
from tenants.principals import Principal  # noqa: E402
from tenants.scope import in_tenant  # noqa: E402

NOT_COUNTED = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT", "PRAGMA")

seen: list[str] = []


def _note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    seen.append(sql)
    return execute(sql, *rest)


def _listen(connection: Any, **kwargs: Any) -> None:
    connection.execute_wrappers.append(_note)


@contextmanager
def counted(into: list[str]) -> Iterator[None]:
    """Collect the statements that any thread runs while the block lasts."""
    seen.clear()
    yield
    into.extend(sql for sql in seen if not sql.startswith(NOT_COUNTED))


async def count(principal: Principal, variant: Variant) -> dict[str, list[str]]:
    """The statements of the third turn of a session."""
    tenant_id = principal.tenant_id
    session = await in_tenant(tenant_id, open_session, principal=principal)
    worker = Worker()
    edge: list[str] = []
    engine: list[str] = []
    for _ in range(3):
        edge.clear()
        engine.clear()
        with counted(edge):
            message = MESSAGES[variant]
            await in_tenant(
                tenant_id,
                post_message,
                principal=principal,
                message=message,
                session_id=session.id,
            )
        with counted(engine):
            await worker.run_once()
    status = await in_tenant(tenant_id, _status_of_newest, session.id)
    if status != TaskStatus.COMPLETED:
        raise RuntimeError(f"The turn that was counted is {status}.")
    return {"edge": edge, "engine": engine}


def _status_of_newest(session_id: UUID) -> str:
    return Task.objects.filter(session_id=session_id).latest("seq").status


async def main(llm_url: str) -> dict[str, dict[str, list[str]]]:
    loop = asyncio.get_running_loop()
    key = (await loop.run_in_executor(None, make_tenant, llm_url))["key"]
    principal = await loop.run_in_executor(None, authenticate_key, key)
    try:
        return {variant.value: await count(principal, variant) for variant in Variant}
    finally:
        await get_gateway().aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llm", required=True, help="base URL of the mock LLM")
    arguments = parser.parse_args()
    connection_created.connect(_listen)
    try:
        print(orjson.dumps(asyncio.run(main(arguments.llm))).decode())
    finally:
        close_pool()
