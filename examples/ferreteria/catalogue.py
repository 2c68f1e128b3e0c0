"""Finding products, and what some of them would cost."""

import difflib
import re
import sqlite3
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from examples.ferreteria.errors import NothingOrdered, UnknownProduct
from examples.ferreteria.shop import pesos

Delivery = Literal["tienda", "domicilio"]

DELIVERY_CENTS: Final = 90_00
FREE_DELIVERY_FROM_CENTS: Final = 1_500_00
#: What is found fits at least so well, compared with what fits best.
NEARLY: Final = 0.6
#: Words that say nothing about a product.
FILLERS: Final = frozenset({
    "a", "con", "de", "del", "el", "en", "la", "las", "los", "para", "por", "un", "una", "x", "y",
})  # fmt: skip

_WORD = re.compile(r"\d+/\d+|\d+|[a-z]+")
_SOFT_C = re.compile(r"c(?=[ei])")


@dataclass(frozen=True, slots=True)
class Line:
    """So many of a product."""

    product: sqlite3.Row
    quantity: int

    @property
    def cents(self) -> int:
        return int(self.product["cents"]) * self.quantity

    @property
    def missing(self) -> int:
        """How many there are not."""
        return max(self.quantity - int(self.product["stock"]), 0)

    def wire(self) -> dict[str, Any]:
        return {
            "sku": self.product["sku"],
            "nombre": self.product["name"],
            "unidad": self.product["unit"],
            "cantidad": self.quantity,
            "precio": pesos(self.product["cents"]),
            "importe": pesos(self.cents),
            "existencia": self.product["stock"],
        }


def search(db: sqlite3.Connection, text: str, limit: int) -> list[dict[str, Any]]:
    """The products that `text` describes, best first: by SKU, or by the words of their names. Of
    those that fit as well, the one that sells most.
    """
    rows = db.execute("SELECT * FROM product ORDER BY weekly_sales DESC, rowid").fetchall()
    exact = [row for row in rows if row["sku"] == text.strip().upper()]
    asked = _words(text)
    scored = [(_score(asked, _words(row["name"])), row) for row in rows]
    best = max((score for score, _ in scored), default=0.0)
    ranked = sorted(scored, key=lambda pair: -pair[0]) if best else []
    found = exact or [row for score, row in ranked if score >= best * NEARLY]
    return [product_wire(row) for row in found[:limit]]


def product_wire(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "sku": row["sku"],
        "nombre": row["name"],
        "unidad": row["unit"],
        "precio": pesos(row["cents"]),
        "moneda": "MXN",
        "existencia": row["stock"],
    }


def get_product(db: sqlite3.Connection, sku: str) -> sqlite3.Row:
    """Raises UnknownProduct."""
    row = db.execute("SELECT * FROM product WHERE sku = ?", [sku.strip().upper()]).fetchone()
    if row is None:
        raise UnknownProduct(
            f"No hay ningún artículo con la clave «{sku}». Búscalo por su nombre con"
            " buscar_productos y usa la clave que aparece ahí."
        )
    found: sqlite3.Row = row
    return found


def read_lines(db: sqlite3.Connection, asked: Sequence[tuple[str, int]]) -> list[Line]:
    """`asked` (SKU and quantity) as lines, one per product. Raises ShopError."""
    if not asked:
        raise NothingOrdered("Falta al menos un renglón con clave y cantidad.")
    quantities: dict[str, int] = {}
    for sku, quantity in asked:
        known = get_product(db, sku)["sku"]
        quantities[known] = quantities.get(known, 0) + quantity
    return [Line(get_product(db, sku), quantity) for sku, quantity in quantities.items()]


def delivery_cents(lines: Sequence[Line], delivery: Delivery) -> int:
    is_free = sum(line.cents for line in lines) >= FREE_DELIVERY_FROM_CENTS
    return 0 if delivery == "tienda" or is_free else DELIVERY_CENTS


def quote(lines: Sequence[Line], delivery: Delivery) -> dict[str, Any]:
    """What the lines cost now; nothing is set aside."""
    subtotal, extra = sum(line.cents for line in lines), delivery_cents(lines, delivery)
    short = [{"sku": line.product["sku"], "faltan": line.missing} for line in lines if line.missing]
    return {
        "renglones": [line.wire() for line in lines],
        "subtotal": pesos(subtotal),
        "entrega": delivery,
        "envio": pesos(extra),
        "total": pesos(subtotal + extra),
        "moneda": "MXN",
        "hay_todo": not short,
        "faltantes": short,
    }


def _score(asked: Sequence[str], name: Sequence[str]) -> float:
    """How many of the asked words the name has; its first says what the thing is."""
    score = 0.0
    for word in asked:
        alike = max((_likeness(word, own) for own in name), default=0.0)
        score += alike * (2 if name and _likeness(word, name[0]) else 1)
    return score


def _likeness(word: str, other: str) -> float:
    if word == other:
        return 1.0
    if min(len(word), len(other)) < 5:
        return 0.0
    alike = difflib.SequenceMatcher(None, word, other).ratio()
    return alike if alike >= 0.8 else 0.0


def _words(text: str) -> list[str]:
    """Words by ear («tuvo» is «tubo»), without accents, plural endings and fillers; fractions
    whole.
    """
    folded = unicodedata.normalize("NFKD", text.casefold().replace("½", "1/2"))
    plain = "".join(c for c in folded if not unicodedata.combining(c)).replace("\u2044", "/")
    heard = _SOFT_C.sub("s", plain.replace("v", "b").replace("z", "s"))
    return [_singular(word) for word in _WORD.findall(heard) if word not in FILLERS]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("es") and word[-3] not in "aeiou":
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") else word
