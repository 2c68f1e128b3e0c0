"""What runs out, how long it lasts, and buying more."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta
from math import ceil
from typing import Any

from examples.ferreteria.catalogue import get_product, product_wire, read_lines
from examples.ferreteria.errors import UnknownSupplier


def low_stock(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Products at or below their minimum, the scarcest first."""
    rows = db.execute(
        "SELECT * FROM product WHERE stock <= minimum ORDER BY 1.0 * stock / minimum, sku"
    )
    return [
        {**product_wire(row), "minimo": row["minimum"], "proveedor": row["supplier"]}
        for row in rows
    ]


def forecast(db: sqlite3.Connection, sku: str, days: int) -> dict[str, Any]:
    """What will be sold of a product, by what is sold in a week. Raises UnknownProduct."""
    row = get_product(db, sku)
    demand = ceil(row["weekly_sales"] * days / 7)
    return {
        "sku": row["sku"],
        "nombre": row["name"],
        "existencia": row["stock"],
        "dias": days,
        "demanda": demand,
        "alcanza_para_dias": row["stock"] * 7 // row["weekly_sales"],
        "comprar": max(demand + row["minimum"] - row["stock"], 0),
    }


def suppliers_of(db: sqlite3.Connection, sku: str) -> list[dict[str, Any]]:
    """Who sells a product to the store. Raises UnknownProduct."""
    row = get_product(db, sku)
    found = db.execute("SELECT * FROM supplier WHERE id = ?", [row["supplier"]])
    return [
        {
            "proveedor": one["id"],
            "nombre": one["name"],
            "telefono": one["phone"],
            "dias_de_entrega": one["lead_days"],
        }
        for one in found
    ]


def purchase(
    db: sqlite3.Connection, supplier: str, asked: Sequence[tuple[str, int]], today: date
) -> dict[str, Any]:
    """Order goods from a supplier. Raises ShopError."""
    wanted = supplier.strip().upper()
    row = db.execute("SELECT * FROM supplier WHERE id = ?", [wanted]).fetchone()
    if row is None:
        raise UnknownSupplier(f"No hay ningún proveedor «{supplier}». Consulta buscar_proveedores.")
    lines = [
        {"sku": line.product["sku"], "cantidad": line.quantity} for line in read_lines(db, asked)
    ]
    arrives = (today + timedelta(days=row["lead_days"])).isoformat()
    values = [row["id"], json.dumps(lines), today.isoformat(), arrives]
    number = db.execute(
        "INSERT INTO purchase (supplier, lines, day, arrives) VALUES (?, ?, ?, ?)", values
    ).lastrowid
    return {
        "folio": f"OC-{number}",
        "proveedor": row["id"],
        "nombre": row["name"],
        "renglones": lines,
        "llega": arrives,
    }
