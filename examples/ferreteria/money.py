"""Customers, their invoices, and what is done about those that are overdue."""

import sqlite3
from datetime import date
from typing import Any, Final

from examples.ferreteria.errors import (
    BadDate,
    NothingAsked,
    StaffOnly,
    UnknownCustomer,
    UnknownFolio,
)
from examples.ferreteria.shop import pesos

MAX_FOUND: Final = 20
_INVOICES: Final = (
    "SELECT invoice.*, customer.name AS name FROM invoice JOIN customer ON customer.id = customer"
)


def is_customer(db: sqlite3.Connection, user: str) -> bool:
    """Whether the store knows who this is."""
    return db.execute("SELECT 1 FROM customer WHERE id = ?", [user]).fetchone() is not None


def require_staff(db: sqlite3.Connection, user: str) -> None:
    """Raises StaffOnly for a customer: this is about others."""
    if is_customer(db, user):
        raise StaffOnly("Eso es solo para el personal de la tienda. Ofrece buscar su factura.")


def find_customers(db: sqlite3.Connection, text: str) -> list[dict[str, Any]]:
    """By id, or by a part of the name, phone or e-mail address."""
    rows = db.execute(
        "SELECT * FROM customer WHERE id = ?1 OR instr(lower(name || phone || email), lower(?1))"
        " ORDER BY id LIMIT ?2",
        [text.strip(), MAX_FOUND],
    )
    return [
        {
            "cliente": row["id"],
            "nombre": row["name"],
            "telefono": row["phone"],
            "correo": row["email"],
        }
        for row in rows
    ]


def find_invoices(
    db: sqlite3.Connection, *, folio: str, customer: str, user: str, today: date
) -> list[dict[str, Any]]:
    """Those that fit everything that is given; the one that is due first comes first. Of a user
    who is a customer, only their own, however they call themselves.

    Raises NothingAsked when anybody else names no folio: a name is no proof of who asks.
    """
    is_known = is_customer(db, user)
    if not folio.strip() and not is_known:
        raise NothingAsked("Falta el folio de la factura: pídelo, como FAC-2041.")
    rows = db.execute(
        f"{_INVOICES} WHERE (?1 = '' OR folio = ?1)"
        " AND (?2 = '' OR customer = ?2 OR instr(lower(name), lower(?2)))"
        " AND (?3 = '' OR customer = ?3) ORDER BY due LIMIT ?4",
        [folio.strip().upper(), customer.strip(), user if is_known else "", MAX_FOUND],
    )
    return [_wire(row, today) for row in rows]


def overdue_invoices(db: sqlite3.Connection, today: date) -> list[dict[str, Any]]:
    """Everybody's, the one longest overdue first."""
    rows = db.execute(
        f"{_INVOICES} WHERE due < ? AND paid_cents < cents ORDER BY due LIMIT ?",
        [today.isoformat(), MAX_FOUND],
    )
    return [_wire(row, today) for row in rows]


def payment_history(db: sqlite3.Connection, customer: str, today: date) -> dict[str, Any]:
    """How a customer has paid so far, and what was promised. Raises UnknownCustomer."""
    found = find_customers(db, customer)
    if not found:
        raise UnknownCustomer(f"No hay ningún cliente «{customer}». Búscalo con buscar_clientes.")
    who = found[0]
    rows = db.execute(f"{_INVOICES} WHERE customer = ? ORDER BY due", [who["cliente"]]).fetchall()
    invoices = [_wire(row, today) for row in rows]
    notes = db.execute(
        "SELECT kind, about, text, day FROM note JOIN invoice ON folio = about WHERE customer = ?",
        [who["cliente"]],
    )
    late = [(_day(row["paid_on"]) - _day(row["due"])).days for row in rows if row["paid_on"]]
    return {
        **who,
        "saldo": round(sum(invoice["saldo"] for invoice in invoices), 2),
        "dias_de_retraso_promedio": round(sum(late) / len(late)) if late else 0,
        "facturas": invoices,
        "gestiones": [
            {"tipo": n["kind"], "folio": n["about"], "nota": n["text"], "fecha": n["day"]}
            for n in notes
        ],
    }


def promise(db: sqlite3.Connection, folio: str, day: str, today: date) -> dict[str, Any]:
    """Write down that an invoice will be paid by `day`. Raises UnknownFolio and BadDate."""
    invoice = _get_invoice(db, folio, today)
    try:
        when = date.fromisoformat(day)
    except ValueError as exc:
        raise BadDate(f"«{day}» no es una fecha: escríbela como 2026-12-31.") from exc
    if when < today:
        raise BadDate("La promesa de pago debe ser para hoy o después.")
    _note(db, "promesa de pago", invoice["folio"], when.isoformat(), today)
    return {"folio": invoice["folio"], "promesa": when.isoformat(), "saldo": invoice["saldo"]}


def remind(db: sqlite3.Connection, folio: str, text: str, today: date) -> dict[str, Any]:
    """Write down a reminder to whoever owes an invoice. Raises UnknownFolio."""
    invoice = _get_invoice(db, folio, today)
    _note(db, "recordatorio", invoice["folio"], text, today)
    return {"folio": invoice["folio"], "cliente": invoice["cliente"], "enviado": True}


def notify_team(db: sqlite3.Connection, text: str, today: date) -> dict[str, Any]:
    """Write down a notice to the people of the store."""
    _note(db, "aviso", "equipo", text, today)
    return {"avisado": True}


def _note(db: sqlite3.Connection, kind: str, about: str, text: str, today: date) -> None:
    values = [kind, about, text, today.isoformat()]
    db.execute("INSERT INTO note (kind, about, text, day) VALUES (?, ?, ?, ?)", values)


def _get_invoice(db: sqlite3.Connection, folio: str, today: date) -> dict[str, Any]:
    found = (
        find_invoices(db, folio=folio, customer="", user="", today=today) if folio.strip() else []
    )
    if not found:
        raise UnknownFolio(f"No hay ninguna factura con el folio «{folio}».")
    return found[0]


def _wire(row: sqlite3.Row, today: date) -> dict[str, Any]:
    left = row["cents"] - row["paid_cents"]
    late = max((today - _day(row["due"])).days, 0) if left else 0
    return {
        "folio": row["folio"],
        "cliente": row["customer"],
        "nombre": row["name"],
        "fecha": row["issued"],
        "vence": row["due"],
        "total": pesos(row["cents"]),
        "saldo": pesos(left),
        "moneda": "MXN",
        "estado": "pagada" if not left else "vencida" if late else "vigente",
        "dias_vencida": late,
    }


def _day(text: str) -> date:
    return date.fromisoformat(text)
