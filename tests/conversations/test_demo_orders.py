import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.demo import Demo
from tests.serving import Installation, Served, find_line

#: One process for all tests of this file, so that they share the server that they start.
pytestmark = pytest.mark.xdist_group("demo-orders")

SEARCH, QUOTE, ORDER, LINK, STATUS = (
    f"ferreteria__{name}"
    for name in ("buscar_productos", "cotizar", "crear_pedido", "liga_de_pago", "estado_pedido")
)


@pytest.fixture(scope="module")
def store(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return demo.installed_in(
        tmp_path_factory.mktemp("store"),
        # Nothing private is open to tenants; the demo's own server is reached all the same.
        settings={"ORCHESTRATOR_DEBUG": "false", "ORCHESTRATOR_SECRET_KEY": "k" * 60},
    )


@pytest.fixture(scope="module")
def served(store: Installation) -> Iterator[Served]:
    with store.serve("--demo") as running:
        yield running


class Customer:
    """Somebody who talks with the store, in one session."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._session: dict[str, str] = {}
        self.task: dict[str, Any] = {}

    def say(self, text: str) -> str:
        """The answer; the task behind it is in `task`."""
        posted = self._served.call("POST", "/api/v1/chat/send", {"message": text, **self._session})
        self._session = {"session_id": posted["session_id"]}
        found = self._served.wait_for(posted["task_id"], "completed", "failed")
        assert found["status"] == "completed", found
        self.task = self._served.call("GET", f"/api/v1/tasks/{posted['task_id']}")
        return str(found["result"]["content"])

    @property
    def called(self) -> list[str]:
        """The tools behind the last answer, each a step of its own that anybody can look at."""
        steps = self.task["intermediate_results"]
        return [step["input"]["name"] for step in steps if step["kind"] == "tool"]


def shop_of(served: Served) -> psutil.Process:
    """The process of the demo's MCP server."""
    [child] = psutil.Process(served.process.pid).children()
    return child


def test_ten_tubes_become_a_confirmed_order_with_a_payment_link(served: Served) -> None:
    customer = Customer(served)
    offer = customer.say("Necesito 10 tubos PVC")
    assert customer.called == [SEARCH, QUOTE]
    assert '10 × Tubo PVC hidráulico 1/2" x 6 m (TUB-012) a $68.00 = $680.00' in offer
    answer = customer.say("Sí, confirmo")
    assert customer.called == [ORDER, LINK]
    order = customer.task["intermediate_results"][2]["output"]["data"]
    assert (order["total"], order["estado"]) == (680.0, "por pagar")
    assert f"https://pagos.ferreteria.example/p/{order['folio']}" in answer
    assert order["folio"] in customer.say("¿Cómo va mi pedido?")
    assert customer.called == [STATUS]


def test_a_price_comes_from_the_store_and_not_from_the_prompt(served: Served) -> None:
    customer = Customer(served)
    assert "$268.00" in customer.say("¿Cuánto cuesta el cemento gris?")
    assert customer.called == [SEARCH]
    assert {step["agent"] for step in customer.task["intermediate_results"]} == {"catalogo"}


def test_more_than_there_is_ends_in_no_order(served: Served) -> None:
    customer = Customer(served)
    assert "solo hay 6 en existencia" in customer.say("Necesito 40 escaleras")
    answer = customer.say("Sí, confirmo")
    assert customer.called == [ORDER]
    assert "No alcanza la existencia" in answer
    assert "PED-" not in answer


def test_an_invoice_can_be_paid(served: Served) -> None:
    customer = Customer(served)
    answer = customer.say("Quiero la liga de pago de la factura FAC-2041")
    assert customer.called == [LINK]
    assert "$18,420.00" in answer


def test_a_store_that_crashes_is_started_again_where_it_was(served: Served) -> None:
    find_line(served.lines, r"Tools   http://127\.0\.0\.1:\d+/mcp   .*")
    crashed = shop_of(served)
    crashed.kill()
    crashed.wait(10)
    customer = Customer(served)
    assert "$68.00" in customer.say("¿Cuánto cuesta el TUB-012?")
    assert customer.called == [SEARCH]
    assert shop_of(served).pid != crashed.pid


@pytest.mark.chaos
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_store_ends_with_the_server(
    served: Served, store: Installation, tmp_path: Path, number: signal.Signals
) -> None:
    copy = tmp_path / "copy.sqlite3"
    with sqlite3.connect(store.database) as connection:
        connection.execute("VACUUM INTO ?", [str(copy)])
    with Installation(copy, settings=store.settings).serve("--demo") as running:
        child = shop_of(running)
        running.end(number)
        child.wait(10)
        assert not child.is_running()
