import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from conversations.demo.content import read_content
from examples.ferreteria.shop import CATALOGUE
from tests.shop import RunningShop, run_shop

pytestmark = pytest.mark.xdist_group("shop")

TEN_TUBES = [{"sku": "TUB-012", "cantidad": 10}]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningShop]:
    with run_shop(tmp_path_factory.mktemp("shop") / "shop.sqlite3") as running:
        yield running


async def test_it_says_what_each_tool_is_for(shop: RunningShop) -> None:
    async with shop.client() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert {"buscar_productos", "cotizar", "crear_pedido", "existencias_bajas"} <= tools.keys()
    assert all(tool.description and tool.annotations for tool in tools.values())
    writes = {name for name, tool in tools.items() if not tool.annotations.read_only_hint}
    assert writes == {
        "crear_pedido",
        "registrar_promesa_de_pago",
        "enviar_recordatorio",
        "crear_orden_de_compra",
        "avisar_al_equipo",
    }


async def test_it_offers_exactly_what_the_demo_is_seeded_with(shop: RunningShop) -> None:
    async with shop.client() as client:
        offered = (await client.list_tools()).tools
    server = read_content("ferreteria").server
    assert server is not None
    assert [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in offered] == [
        dict(tool) for tool in server.offered
    ], "python -m examples.ferreteria --list > conversations/demo/ferreteria/tools.json"


@pytest.mark.parametrize("token", ["", "wrong", "ñ"])
async def test_whoever_brings_no_token_learns_nothing(shop: RunningShop, token: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}".encode()} if token else {}
        refused = await http.post(shop.url, headers=headers, json={})
    assert refused.status_code == 401
    assert "ferreteria" not in refused.text


@pytest.mark.parametrize(
    ("asked", "sku"),
    [
        ("tubos pvc 1/2", "TUB-012"),
        ("tubo PVC ½", "TUB-012"),
        ("TUB-034", "TUB-034"),
        ("sement gris", "CEM-050"),
        ("llave para la cocina", "PLO-002"),
        ("taladro", "HER-TAL"),
    ],
)
async def test_products_are_found_by_what_people_call_them(
    shop: RunningShop, asked: str, sku: str
) -> None:
    found = await shop.ask("buscar_productos", consulta=asked)
    assert found["productos"][0]["sku"] == sku


async def test_a_quote_adds_up_and_says_what_is_missing(shop: RunningShop) -> None:
    lines = [{"sku": "tub-012", "cantidad": 2}, {"sku": "HER-ESC", "cantidad": 100}]
    quote = await shop.ask("cotizar", renglones=lines, entrega="domicilio")
    assert [line["importe"] for line in quote["renglones"]] == [136.0, 139000.0]
    assert (quote["envio"], quote["total"]) == (0.0, 139136.0)
    assert quote["faltantes"] == [{"sku": "HER-ESC", "faltan": 94}]
    small = await shop.ask("cotizar", renglones=lines[:1], entrega="domicilio")
    assert (small["envio"], small["total"]) == (90.0, 226.0)


async def test_the_same_key_gives_the_same_order(shop: RunningShop) -> None:
    async def stock() -> int:
        found = await shop.ask("consultar_existencia", sku="TUB-012")
        return int(found["existencia"])

    before = await stock()
    answers = await asyncio.gather(
        *(shop.ask("crear_pedido", key="task:1:a", renglones=TEN_TUBES) for _ in range(5))
    )
    assert len({answer["folio"] for answer in answers}) == 1
    assert await stock() == before - 10
    another = await shop.ask("crear_pedido", key="task:1:b", renglones=TEN_TUBES)
    assert another["folio"] != answers[0]["folio"]
    reused = await shop.call(
        "crear_pedido", key="task:1:a", renglones=[{"sku": "TUB-012", "cantidad": 1}]
    )
    assert reused.structured_content["error"]["code"] == "llave_repetida"


async def test_an_order_can_be_followed_and_paid(shop: RunningShop) -> None:
    order = await shop.ask("crear_pedido", renglones=TEN_TUBES, cliente="Lucía Hernández")
    assert (order["total"], order["estado"]) == (680.0, "por pagar")
    assert await shop.ask("estado_pedido", folio=order["folio"]) == order
    link = await shop.ask("liga_de_pago", folio=order["folio"])
    assert link["liga"].endswith(order["folio"])
    assert link["total"] == 680.0


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("consultar_existencia", {"sku": "NADA-1"}, "sku_desconocido"),
        ("cotizar", {"renglones": [{"sku": "NADA-1", "cantidad": 1}]}, "sku_desconocido"),
        ("estado_pedido", {"folio": "PED-9"}, "folio_desconocido"),
        ("liga_de_pago", {"folio": "FAC-1990"}, "nada_por_pagar"),
        ("buscar_facturas", {"cliente": "Constructora Arce"}, "falta_criterio"),
        ("historial_de_pagos", {"cliente": "Nadie"}, "cliente_desconocido"),
        ("registrar_promesa_de_pago", {"folio": "FAC-2041", "fecha": "ayer"}, "fecha_no_valida"),
        (
            "crear_orden_de_compra",
            {"proveedor": "PROV-99", "renglones": TEN_TUBES},
            "proveedor_desconocido",
        ),
    ],
)
async def test_a_refusal_says_why_and_what_to_do(
    shop: RunningShop, tool: str, arguments: dict[str, object], code: str
) -> None:
    refused = await shop.call(tool, **arguments)
    assert refused.is_error
    assert refused.structured_content["error"]["code"] == code
    assert refused.content[0].text == refused.structured_content["error"]["message"]


async def test_more_than_there_is_leaves_everything_as_it_was(shop: RunningShop) -> None:
    lines = [{"sku": "COD-012", "cantidad": 1}, {"sku": "HER-ESC", "cantidad": 7}]
    refused = await shop.call("crear_pedido", renglones=lines)
    assert refused.structured_content["error"]["code"] == "existencia_insuficiente"
    assert "hay 6 y se piden 7" in refused.content[0].text
    assert (await shop.ask("consultar_existencia", sku="COD-012"))["existencia"] == 620


async def test_overdue_invoices_lead_to_a_promise(shop: RunningShop) -> None:
    found = (await shop.ask("facturas_vencidas"))["facturas"]
    assert [row["folio"] for row in found] == ["FAC-2041", "FAC-2057", "FAC-2066"]
    worst = found[0]
    history = await shop.ask("historial_de_pagos", cliente=worst["cliente"])
    assert history["dias_de_retraso_promedio"] == 12
    await shop.ask("enviar_recordatorio", folio=worst["folio"], mensaje="¿Todo bien?")
    await shop.ask("registrar_promesa_de_pago", folio=worst["folio"], fecha="2999-01-15")
    kept = (await shop.ask("historial_de_pagos", cliente=worst["cliente"]))["gestiones"]
    assert [note["tipo"] for note in kept] == ["recordatorio", "promesa de pago"]


async def test_low_stock_leads_to_a_purchase(shop: RunningShop) -> None:
    low = (await shop.ask("existencias_bajas"))["productos"]
    assert low[0]["sku"] == "PIN-IMP"
    needed = await shop.ask("pronosticar_demanda", sku="PIN-IMP")
    [supplier] = (await shop.ask("buscar_proveedores", sku="PIN-IMP"))["proveedores"]
    lines = [{"sku": "PIN-IMP", "cantidad": needed["comprar"]}]
    bought = await shop.ask(
        "crear_orden_de_compra", proveedor=supplier["proveedor"], renglones=lines
    )
    assert bought["folio"].startswith("OC-")
    assert bought["renglones"] == lines


def test_its_catalogue_is_one_that_a_store_could_live_on() -> None:
    lines = CATALOGUE.read_text(encoding="utf-8").splitlines()[1:]
    products = [line.split(" | ") for line in lines]
    assert len(products) >= 40
    assert all(len(columns) == 5 and columns[3].startswith("$") for columns in products)
    assert len({columns[0] for columns in products}) == len(products)


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    with run_shop(tmp_path / "shop.sqlite3") as shop:
        assert shop.process.stdin is not None
        shop.process.stdin.close()
        assert shop.process.wait(10) == 0


def test_another_start_keeps_the_data(tmp_path: Path) -> None:
    data = tmp_path / "shop.sqlite3"
    with run_shop(data) as shop:
        order = asyncio.run(shop.ask("crear_pedido", renglones=TEN_TUBES))
        shop.process.kill()
    with run_shop(data) as shop:
        assert asyncio.run(shop.ask("estado_pedido", folio=order["folio"])) == order
