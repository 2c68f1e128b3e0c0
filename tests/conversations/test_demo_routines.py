import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.demo import Demo
from tests.serving import Installation, Served

#: Shares the server of the other tests of the demo's tools.
pytestmark = pytest.mark.xdist_group("demo-orders")


@pytest.fixture(scope="module")
def store(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return demo.installed_in(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def served(store: Installation) -> Iterator[Served]:
    with store.serve("--demo") as running:
        yield running


def ask(served: Served, agent: str, message: str, *until: str) -> str:
    body = {"message": message, "agent": agent}
    task_id: str = served.call("POST", "/api/v1/chat/send", body)["task_id"]
    served.wait_for(task_id, *until)
    return task_id


def calls_of(served: Served, task_id: str) -> dict[str, Any]:
    steps = served.call("GET", f"/api/v1/tasks/{task_id}")["intermediate_results"]
    return {s["input"]["name"].split("__")[1]: s for s in steps if s["kind"] == "tool"}


def come_due(store: Installation, name: str, served: Served) -> str:
    """Let the schedule be due now; the task that comes of it, once it has ended."""
    due = "UPDATE conversations_schedule SET next_due_at = '2026-01-05 15:00:00' WHERE name = ?"
    [newest] = served.call("GET", "/api/v1/tasks?limit=1")["items"]
    with closing(sqlite3.connect(store.database, timeout=20)) as db, db:
        assert db.execute(due, [name]).rowcount == 1
    until = time.monotonic() + 30
    while time.monotonic() < until:
        [task] = served.call("GET", "/api/v1/tasks?limit=1")["items"]
        if task["task_id"] != newest["task_id"]:
            served.wait_for(task["task_id"], "completed", "failed")
            return str(task["task_id"])
        time.sleep(0.1)
    raise AssertionError(served.log.read_text())


def test_the_worst_invoice_is_followed_up_when_it_is_time(
    served: Served, store: Installation
) -> None:
    task_id = come_due(store, "Cobranza de la semana", served)
    calls = calls_of(served, task_id)
    assert list(calls) == [
        "facturas_vencidas", "historial_de_pagos", "enviar_recordatorio", "avisar_al_equipo",
    ]  # fmt: skip
    assert {call["status"] for call in calls.values()} == {"succeeded"}
    assert calls["enviar_recordatorio"]["input"]["arguments"]["folio"] == "FAC-2041"
    assert "12 días de retraso" in calls["avisar_al_equipo"]["input"]["arguments"]["mensaje"]


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_what_runs_out_is_bought_once_a_person_agrees(served: Served, action: str) -> None:
    task_id = ask(served, "inventario", "Surte.", "input_required", "completed", "failed")
    assert "crear_orden_de_compra" not in calls_of(served, task_id)
    served.call("POST", f"/api/v1/tasks/{task_id}/input", {"action": action})
    served.wait_for(task_id, "completed", "failed")
    calls = calls_of(served, task_id)
    assert ("avisar_al_equipo" in calls) == (action == "approve")
    if action == "approve":
        [line] = calls["crear_orden_de_compra"]["input"]["arguments"]["renglones"]
        assert line["sku"] == "PIN-IMP"
        assert "OC-" in calls["avisar_al_equipo"]["input"]["arguments"]["mensaje"]
