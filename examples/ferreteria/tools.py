"""What the store offers to language models: names, descriptions and schemas are what they read.

Every tool says what it gives back and when to use it, answers with data instead of prose, and
marks itself as a read or a write. Whatever writes honours an idempotency key, sent in the request's
`_meta` as `{"orkesta.dev/idempotency-key": "…"}`: a call that is repeated because its answer got
lost is answered again, and nothing happens twice. For whom a call is made is there, too, as
`{"orkesta.dev/user": "…"}`: what may be seen depends on it, and not on what a model writes.
"""

import sqlite3
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar, cast

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from examples.ferreteria import catalogue, money, orders, stock
from examples.ferreteria.catalogue import Delivery
from examples.ferreteria.errors import ShopError
from examples.ferreteria.shop import Shop, once

READ: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITE: Final = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
META_KEY: Final = "orkesta.dev/idempotency-key"
META_USER: Final = "orkesta.dev/user"

Act = Callable[[sqlite3.Connection], dict[str, Any]]
F = TypeVar("F", bound=Callable[..., Any])


class Renglon(BaseModel):
    """Un artículo y su cantidad."""

    sku: Annotated[str, Field(description="Clave del artículo, como TUB-012", max_length=20)]
    cantidad: Annotated[int, Field(description="Cuántas unidades", ge=1, le=100_000)]


Sku = Annotated[str, Field(description="Clave del artículo, como TUB-012", max_length=20)]
Lines = Annotated[
    list[Renglon], Field(description="Artículos con su cantidad", min_length=1, max_length=50)
]
Folio = Annotated[str, Field(description="Folio, como PED-1001 o FAC-2041", max_length=20)]
Delivered = Annotated[
    Delivery, Field(description="«tienda» si lo recogen, «domicilio» si quieren envío")
]


def register_tools(server: MCPServer, shop: Shop) -> None:
    """Offer everything that the store can do."""
    _register_catalogue(server, shop)
    _register_orders(server, shop)
    _register_invoices(server, shop)
    _register_dunning(server, shop)
    _register_stock(server, shop)


def _tool(server: MCPServer, title: str, annotations: ToolAnnotations) -> Callable[[F], F]:
    """Offer a function by its name, its docstring (as one line) and its arguments."""

    def register(function: F) -> F:
        described = " ".join((function.__doc__ or "").split())
        server.add_tool(function, title=title, description=described, annotations=annotations)
        return function

    return register


def _answer(shop: Shop, act: Act) -> dict[str, Any]:
    """What `act` answers in a transaction; an error that the model can read when it refuses."""
    try:
        with shop.transaction() as db:
            return act(db)
    except ShopError as exc:
        refusal = CallToolResult(
            content=[TextContent(type="text", text=exc.message)],
            structured_content={"error": {"code": exc.code, "message": exc.message}},
            is_error=True,
        )
        # A finished result passes through MCPServer as it is, whatever the tool's schema says.
        return cast("dict[str, Any]", refusal)


def _answer_once(shop: Shop, ctx: Context, asked: dict[str, Any], act: Act) -> dict[str, Any]:
    """`_answer`, done once for the idempotency key that came with the request."""
    key = _said(ctx, META_KEY)
    return _answer(shop, lambda db: once(db, key, asked, lambda: act(db)))


def _user(ctx: Context) -> str:
    """For whom the call is made; empty when nobody knows."""
    return _said(ctx, META_USER)


def _said(ctx: Context, name: str) -> str:
    return str((ctx.request_context.meta or {}).get(name, ""))[:200]


def _pairs(lines: list[Renglon]) -> list[tuple[str, int]]:
    return [(line.sku, line.cantidad) for line in lines]


def _register_catalogue(server: MCPServer, shop: Shop) -> None:
    @_tool(server, "Buscar productos", READ)
    def buscar_productos(
        consulta: Annotated[
            str, Field(description="Qué se busca, con sus palabras y medidas", max_length=200)
        ],
        limite: Annotated[int, Field(description="Cuántos a lo más", ge=1, le=20)] = 5,
    ) -> dict[str, Any]:
        """Busca productos del catálogo por nombre, medida o clave. Da clave (sku), nombre, unidad,
        precio en pesos con IVA y existencia, el más parecido primero."""
        return _answer(shop, lambda db: {"productos": catalogue.search(db, consulta, limite)})

    @_tool(server, "Consultar existencia", READ)
    def consultar_existencia(sku: Sku) -> dict[str, Any]:
        """Dice el precio y la existencia disponible de un artículo, por su clave (sku)."""
        return _answer(shop, lambda db: catalogue.product_wire(catalogue.get_product(db, sku)))

    @_tool(server, "Cotizar", READ)
    def cotizar(renglones: Lines, entrega: Delivered = "tienda") -> dict[str, Any]:
        """Cotiza artículos con sus cantidades: importe por renglón, envío, total y qué falta en
        existencia. No aparta nada; para comprar se usa crear_pedido."""
        asked = _pairs(renglones)
        return _answer(shop, lambda db: catalogue.quote(catalogue.read_lines(db, asked), entrega))


def _register_orders(server: MCPServer, shop: Shop) -> None:
    @_tool(server, "Crear pedido", WRITE)
    def crear_pedido(
        ctx: Context,
        renglones: Lines,
        cliente: Annotated[str, Field(description="Nombre de quien compra", max_length=100)] = "",
        entrega: Delivered = "tienda",
    ) -> dict[str, Any]:
        """Crea un pedido y aparta los artículos. Úsala solo cuando el cliente confirmó la
        cotización. Da el folio, los renglones, el total y el estado."""
        asked = {
            "tool": "crear_pedido",
            "renglones": _pairs(renglones),
            "cliente": cliente,
            "entrega": entrega,
        }

        def act(db: sqlite3.Connection) -> dict[str, Any]:
            lines = catalogue.read_lines(db, _pairs(renglones))
            return orders.create_order(
                db,
                lines,
                customer=cliente,
                user=_user(ctx),
                delivery=entrega,
                today=shop.today(),
            )

        return _answer_once(shop, ctx, asked, act)

    @_tool(server, "Liga de pago", READ)
    def liga_de_pago(ctx: Context, folio: Folio) -> dict[str, Any]:
        """Da la liga (link) para pagar en línea un pedido o una factura, por su folio."""
        return _answer(shop, lambda db: orders.payment_link(db, folio, _user(ctx)))

    @_tool(server, "Estado de un pedido", READ)
    def estado_pedido(ctx: Context, folio: Folio) -> dict[str, Any]:
        """Dice cómo va un pedido: estado, renglones, entrega y total, por su folio."""
        return _answer(shop, lambda db: orders.find_order(db, folio, _user(ctx)))


def _register_invoices(server: MCPServer, shop: Shop) -> None:
    @_tool(server, "Buscar clientes", READ)
    def buscar_clientes(
        ctx: Context,
        consulta: Annotated[
            str, Field(description="Nombre, teléfono, correo o clave", min_length=2)
        ],
    ) -> dict[str, Any]:
        """Busca clientes de la tienda; da su clave, nombre, teléfono y correo."""

        def act(db: sqlite3.Connection) -> dict[str, Any]:
            money.require_staff(db, _user(ctx))
            return {"clientes": money.find_customers(db, consulta)}

        return _answer(shop, act)

    @_tool(server, "Buscar facturas", READ)
    def buscar_facturas(
        ctx: Context,
        folio: Annotated[str, Field(description="Folio, como FAC-2041", max_length=20)] = "",
        cliente: Annotated[str, Field(description="Clave o nombre del cliente")] = "",
    ) -> dict[str, Any]:
        """Busca facturas por folio o por cliente. Da vencimiento, saldo, estado y días vencida."""
        return _answer(
            shop,
            lambda db: {
                "facturas": money.find_invoices(
                    db, folio=folio, customer=cliente, user=_user(ctx), today=shop.today()
                )
            },
        )

    @_tool(server, "Facturas vencidas", READ)
    def facturas_vencidas(ctx: Context) -> dict[str, Any]:
        """Da las facturas vencidas de todos los clientes, la más vencida primero. Para cobranza, no
        para clientes."""

        def act(db: sqlite3.Connection) -> dict[str, Any]:
            money.require_staff(db, _user(ctx))
            return {"facturas": money.overdue_invoices(db, shop.today())}

        return _answer(shop, act)

    @_tool(server, "Historial de pagos", READ)
    def historial_de_pagos(
        ctx: Context,
        cliente: Annotated[str, Field(description="Clave o nombre del cliente", min_length=2)],
    ) -> dict[str, Any]:
        """Dice cómo ha pagado un cliente: saldo, retraso promedio, facturas, recordatorios y
        promesas."""

        def act(db: sqlite3.Connection) -> dict[str, Any]:
            money.require_staff(db, _user(ctx))
            return money.payment_history(db, cliente, shop.today())

        return _answer(shop, act)


def _register_dunning(server: MCPServer, shop: Shop) -> None:
    @_tool(server, "Registrar promesa de pago", WRITE)
    def registrar_promesa_de_pago(
        ctx: Context,
        folio: Folio,
        fecha: Annotated[str, Field(description="Para cuándo, como 2026-12-31")],
    ) -> dict[str, Any]:
        """Registra que un cliente prometió pagar una factura en una fecha."""
        asked = {"tool": "registrar_promesa_de_pago", "folio": folio, "fecha": fecha}
        return _answer_once(
            shop, ctx, asked, lambda db: money.promise(db, folio, fecha, shop.today())
        )

    @_tool(server, "Enviar recordatorio", WRITE)
    def enviar_recordatorio(
        ctx: Context,
        folio: Folio,
        mensaje: Annotated[str, Field(description="Lo que se le dice al cliente", max_length=1000)],
    ) -> dict[str, Any]:
        """Envía al cliente de una factura un recordatorio de pago y lo deja registrado."""
        asked = {"tool": "enviar_recordatorio", "folio": folio, "mensaje": mensaje}
        return _answer_once(
            shop, ctx, asked, lambda db: money.remind(db, folio, mensaje, shop.today())
        )


def _register_stock(server: MCPServer, shop: Shop) -> None:
    @_tool(server, "Existencias bajas", READ)
    def existencias_bajas() -> dict[str, Any]:
        """Da los artículos que están en su mínimo o por debajo, el más escaso primero."""
        return _answer(shop, lambda db: {"productos": stock.low_stock(db)})

    @_tool(server, "Pronosticar demanda", READ)
    def pronosticar_demanda(
        sku: Sku,
        dias: Annotated[int, Field(description="Para cuántos días", ge=1, le=365)] = 30,
    ) -> dict[str, Any]:
        """Pronostica la venta de un artículo y cuánto conviene comprar."""
        return _answer(shop, lambda db: stock.forecast(db, sku, dias))

    @_tool(server, "Buscar proveedores", READ)
    def buscar_proveedores(sku: Sku) -> dict[str, Any]:
        """Dice qué proveedor surte un artículo, su teléfono y sus días de entrega."""
        return _answer(shop, lambda db: {"proveedores": stock.suppliers_of(db, sku)})

    @_tool(server, "Crear orden de compra", WRITE)
    def crear_orden_de_compra(
        ctx: Context,
        proveedor: Annotated[str, Field(description="Clave del proveedor, como PROV-01")],
        renglones: Lines,
    ) -> dict[str, Any]:
        """Crea una orden de compra a un proveedor. Da el folio y cuándo llega."""
        pairs = _pairs(renglones)
        asked = {"tool": "crear_orden_de_compra", "proveedor": proveedor, "renglones": pairs}
        return _answer_once(
            shop, ctx, asked, lambda db: stock.purchase(db, proveedor, pairs, shop.today())
        )

    @_tool(server, "Avisar al equipo", WRITE)
    def avisar_al_equipo(
        ctx: Context,
        mensaje: Annotated[str, Field(description="El aviso", max_length=1000)],
    ) -> dict[str, Any]:
        """Deja un aviso al equipo de la tienda."""
        asked = {"tool": "avisar_al_equipo", "mensaje": mensaje}
        return _answer_once(
            shop, ctx, asked, lambda db: money.notify_team(db, mensaje, shop.today())
        )
