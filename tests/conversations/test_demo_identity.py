import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.ferreteria.shop import Shop
from orkesta.crypto import Secret
from routing.errors import ToolRetry
from routing.tools import Risk, run_tool
from tests.routing.tool_calls import a_call, mcp_target, mcp_tool
from tests.shop import RunningShop, run_shop

pytestmark = [pytest.mark.xdist_group("shop"), pytest.mark.usefixtures("tool_calls")]

ARCE, LUCIA, NOBODY, STRANGER = "CLI-003", "CLI-001", "", "whatsapp:+523355501003"
TUBES = [{"sku": "TUB-012", "cantidad": 2}]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    with run_shop(tmp_path_factory.mktemp("shop") / "shop.sqlite3") as running:
        yield running


async def ask(shop: RunningShop, user: str, name: str, **arguments: Any) -> Any:
    """What agents read who speak with `user`."""
    secret = Secret(f"Bearer {shop.token}")
    tool = mcp_tool(mcp_target(shop.url, secret=secret), name, risk=Risk.WRITE, timeout_seconds=10)
    return (await run_tool(tool, arguments, a_call(user_ref=user))).data


async def folios(shop: RunningShop, user: str, **arguments: str) -> list[str]:
    found = await ask(shop, user, "buscar_facturas", **arguments)
    return [row["folio"] for row in found["facturas"]]


async def test_a_customer_sees_their_own_invoices_whatever_is_asked(shop: RunningShop) -> None:
    own = await folios(shop, ARCE)
    assert "FAC-2041" in own
    assert await folios(shop, ARCE, folio="FAC-2041") == ["FAC-2041"]
    assert await folios(shop, LUCIA, folio="FAC-2041") == []
    for name in ("Constructora Arce", ARCE, "a"):
        assert set(own).isdisjoint(await folios(shop, LUCIA, cliente=name))


@pytest.mark.parametrize("user", [NOBODY, STRANGER])
async def test_who_is_not_known_has_to_name_a_folio(shop: RunningShop, user: str) -> None:
    with pytest.raises(ToolRetry, match="folio"):
        await folios(shop, user, cliente="Constructora Arce")
    assert await folios(shop, user, folio="fac-2041") == ["FAC-2041"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("facturas_vencidas", {}),
        ("buscar_clientes", {"consulta": "Arce"}),
        ("historial_de_pagos", {"cliente": ARCE}),
    ],
)
async def test_what_is_about_all_customers_is_not_for_one(
    shop: RunningShop, tool: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(ToolRetry, match="personal"):
        await ask(shop, LUCIA, tool, **arguments)
    assert await ask(shop, NOBODY, tool, **arguments)


async def test_an_order_is_whose_it_is(shop: RunningShop) -> None:
    order = await ask(shop, STRANGER, "crear_pedido", renglones=TUBES)
    assert await ask(shop, STRANGER, "estado_pedido", folio=order["folio"]) == order
    assert await ask(shop, NOBODY, "estado_pedido", folio=order["folio"]) == order
    for tool in ("estado_pedido", "liga_de_pago"):
        with pytest.raises(ToolRetry, match="No hay"):
            await ask(shop, LUCIA, tool, folio=order["folio"])


async def test_an_invoice_is_paid_by_whom_it_is_for(shop: RunningShop) -> None:
    assert (await ask(shop, ARCE, "liga_de_pago", folio="FAC-2041"))["total"] == 18420.0
    assert (await ask(shop, NOBODY, "liga_de_pago", folio="FAC-2041"))["total"] == 18420.0
    with pytest.raises(ToolRetry, match="No hay"):
        await ask(shop, LUCIA, "liga_de_pago", folio="FAC-2041")


def test_a_data_file_of_before_is_brought_up_to_date(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop.sqlite3")
    shop.prepare()
    with sqlite3.connect(shop.path) as db:
        db.execute("ALTER TABLE orders DROP COLUMN user")
        db.execute("INSERT INTO orders VALUES (7, 'Ana', 'tienda', 0, 100, 'por pagar', '2026')")
    shop.prepare()
    shop.prepare()
    with shop.transaction() as db:
        [row] = db.execute("SELECT * FROM orders").fetchall()
    assert (row["number"], row["user"]) == (7, "")
