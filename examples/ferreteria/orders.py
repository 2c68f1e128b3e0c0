"""Customers' orders, and how they are paid."""

import sqlite3
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from examples.ferreteria.catalogue import Delivery, Line, delivery_cents
from examples.ferreteria.errors import NotEnoughStock, NothingToPay, UnknownFolio
from examples.ferreteria.money import is_customer
from examples.ferreteria.shop import pesos

ORDER_PREFIX: Final = "PED-"
UNPAID: Final = "por pagar"
#: A name that no server has (RFC 2606): this is a demo, and nobody pays.
PAYMENT_URL: Final = "https://pagos.ferreteria.example/p"


def create_order(
    db: sqlite3.Connection,
    lines: Sequence[Line],
    *,
    customer: str,
    user: str,
    delivery: Delivery,
    today: date,
) -> dict[str, Any]:
    """Take the order, which is the user's if one is known, and its goods out of stock. Raises
    NotEnoughStock, and then does neither.
    """
    short = [line for line in lines if line.missing]
    if short:
        told = "; ".join(
            f"de {line.product['name']} ({line.product['sku']}) hay {line.product['stock']}"
            f" y se piden {line.quantity}"
            for line in short
        )
        raise NotEnoughStock(f"No alcanza la existencia: {told}. Ofrece lo que hay.")
    extra = delivery_cents(lines, delivery)
    cents = sum(line.cents for line in lines) + extra
    number = db.execute(
        "INSERT INTO orders (customer, user, delivery, delivery_cents, cents, status, day)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [customer, user, delivery, extra, cents, UNPAID, today.isoformat()],
    ).lastrowid
    for line in lines:
        row, quantity = line.product, line.quantity
        values = [number, row["sku"], row["name"], row["unit"], quantity, row["cents"]]
        db.execute("INSERT INTO order_line VALUES (?, ?, ?, ?, ?, ?)", values)
        db.execute("UPDATE product SET stock = stock - ? WHERE sku = ?", [quantity, row["sku"]])
    return find_order(db, f"{ORDER_PREFIX}{number}", user)


def find_order(db: sqlite3.Connection, folio: str, user: str) -> dict[str, Any]:
    """The order called `PED-…`, also without its prefix. Raises UnknownFolio, also for a known
    user who asks for somebody else's.
    """
    digits = folio.strip().upper().removeprefix(ORDER_PREFIX).lstrip("#")
    row = db.execute("SELECT * FROM orders WHERE number = ?", [digits]).fetchone()
    if row is None or (user and row["user"] not in ("", user)):
        raise UnknownFolio(f"No hay ningún pedido con el folio «{folio}». Pide el folio completo.")
    lines = db.execute("SELECT * FROM order_line WHERE number = ?", [row["number"]]).fetchall()
    return {
        "folio": f"{ORDER_PREFIX}{row['number']}",
        "estado": row["status"],
        "fecha": row["day"],
        "cliente": row["customer"],
        "renglones": [
            {
                "sku": line["sku"],
                "nombre": line["name"],
                "unidad": line["unit"],
                "cantidad": line["quantity"],
                "precio": pesos(line["cents"]),
                "importe": pesos(line["cents"] * line["quantity"]),
            }
            for line in lines
        ],
        "entrega": row["delivery"],
        "envio": pesos(row["delivery_cents"]),
        "total": pesos(row["cents"]),
        "moneda": "MXN",
    }


def payment_link(db: sqlite3.Connection, folio: str, user: str) -> dict[str, Any]:
    """Where an order or an invoice can be paid; always the same address for the same folio.

    Raises UnknownFolio, also for what is another customer's, and NothingToPay.
    """
    name = folio.strip().upper()
    invoice = db.execute("SELECT * FROM invoice WHERE folio = ?", [name]).fetchone()
    if invoice is not None and is_customer(db, user) and invoice["customer"] != user:
        raise UnknownFolio(f"No hay ninguna factura con el folio «{folio}».")
    if invoice is None:
        order = find_order(db, folio, user)
        name, amount = order["folio"], order["total"]
    else:
        amount = pesos(invoice["cents"] - invoice["paid_cents"])
    if not amount:
        raise NothingToPay(f"{name} ya está pagado.")
    return {"folio": name, "liga": f"{PAYMENT_URL}/{name}", "total": amount, "moneda": "MXN"}
