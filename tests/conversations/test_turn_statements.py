"""What a turn costs the database: every statement of every thread, from the message to the end of
its answer, BEGIN and COMMIT aside.
"""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.backends.utils import CursorWrapper

from conversations.engine.worker import Worker
from tenants.scope import tenant_scope
from tests.cast import House, make_agent, make_rule
from tests.engine import apost, ask_fake_llm, open_worker
from tests.fakes.llm_server import says

pytestmark = pytest.mark.django_db(transaction=True)

#: A whole turn: on PostgreSQL 2 of `post_message` (look at the session, write), and 6 of the worker
#: (look, claim, load the task and its history, write two steps). SQLite cannot write more than one
#: table with a statement, and needs no round trips.
TOTAL = {"postgresql": 8, "sqlite": 19}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    statements: list[str] = []

    def counted(execute: Callable[..., Any]) -> Callable[..., Any]:
        def run(cursor: CursorWrapper, text: str, *params: Any) -> Any:
            if not text.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA", "SET ")):
                statements.append(text)
            return execute(cursor, text, *params)

        return run

    monkeypatch.setattr(CursorWrapper, "execute", counted(CursorWrapper.execute))
    return statements


async def third_turn(house: House, worker: Worker, seen: list[str]) -> tuple[list[str], list[str]]:
    """The statements of the edge and of the engine, once all caches are warm."""
    session_id = None
    for _ in range(3):
        seen.clear()
        posted = await apost(house, "¿Qué precios tienen?", session_id)
        session_id, edge = posted.session_id, list(seen)
        seen.clear()
        await worker.run_once()
    return edge, list(seen)


def configure_much(house: House) -> None:
    with tenant_scope(house.id):
        for number in range(50):
            agent = make_agent(house.tenant, f"more-{number}")
            for place in range(4):
                word = f"nothing-{number}-{place}"
                make_rule(house.tenant, agent, [word], position=100 + 4 * number + place)


async def test_a_turn_costs_so_many_statements_in_all_however_much_is_configured(
    acme: House, seen: list[str]
) -> None:
    ask_house = sync_to_async(ask_fake_llm)
    async with open_worker(*[says("Diez pesos")] * 6) as (worker, _):
        edge, engine = await third_turn(await ask_house(acme), worker, seen)
        await sync_to_async(configure_much)(acme)
        same_edge, same_engine = await third_turn(acme, worker, seen)
    assert len(edge) + len(engine) <= TOTAL[connection.vendor], [*edge, *engine]
    assert (len(same_edge), len(same_engine)) == (len(edge), len(engine))
