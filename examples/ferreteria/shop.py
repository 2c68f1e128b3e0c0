"""The store's data file: its tables, what stands in them at first, and transactions on them.

Money is kept in cents, as whole numbers; days as ISO dates.
"""

import json
import sqlite3
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from examples.ferreteria.errors import KeyReused

_FOLDER: Final = Path(__file__).resolve().parent
CATALOGUE: Final = _FOLDER / "catalogue.txt"
SEED: Final = _FOLDER / "seed.toml"

TABLES: Final = """
CREATE TABLE product (
    sku TEXT PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL, cents INTEGER NOT NULL,
    stock INTEGER NOT NULL CHECK (stock >= 0), minimum INTEGER NOT NULL,
    weekly_sales INTEGER NOT NULL, supplier TEXT NOT NULL REFERENCES supplier (id)
);
CREATE TABLE supplier (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, phone TEXT NOT NULL, lead_days INTEGER NOT NULL
);
CREATE TABLE customer (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, phone TEXT NOT NULL, email TEXT NOT NULL
);
CREATE TABLE invoice (
    folio TEXT PRIMARY KEY, customer TEXT NOT NULL REFERENCES customer (id), issued TEXT NOT NULL,
    due TEXT NOT NULL, cents INTEGER NOT NULL, paid_cents INTEGER NOT NULL, paid_on TEXT
);
CREATE TABLE orders (
    number INTEGER PRIMARY KEY AUTOINCREMENT, customer TEXT NOT NULL, delivery TEXT NOT NULL,
    delivery_cents INTEGER NOT NULL, cents INTEGER NOT NULL, status TEXT NOT NULL,
    day TEXT NOT NULL, user TEXT NOT NULL DEFAULT ''
);
CREATE TABLE order_line (
    number INTEGER NOT NULL REFERENCES orders (number), sku TEXT NOT NULL, name TEXT NOT NULL,
    unit TEXT NOT NULL, quantity INTEGER NOT NULL, cents INTEGER NOT NULL
);
CREATE TABLE purchase (
    number INTEGER PRIMARY KEY AUTOINCREMENT, supplier TEXT NOT NULL REFERENCES supplier (id),
    lines TEXT NOT NULL, day TEXT NOT NULL, arrives TEXT NOT NULL
);
-- What was done about an invoice or told to the team: promises, reminders, notices.
CREATE TABLE note (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, about TEXT NOT NULL, text TEXT NOT NULL,
    day TEXT NOT NULL
);
-- What was answered to each idempotency key.
CREATE TABLE answered (
    key TEXT PRIMARY KEY, asked TEXT NOT NULL, answer TEXT NOT NULL
);
INSERT INTO sqlite_sequence (name, seq) VALUES ('orders', 1000), ('purchase', 300);
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """The store on one data file; any number of threads may use it. `today` is its calendar."""

    path: Path
    today: Callable[[], date] = date.today

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block, or nothing of it; one block at a time."""
        db = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("BEGIN IMMEDIATE")
            with db:
                yield db
        finally:
            db.close()

    def prepare(self) -> None:
        """Make and fill the file where there is none; bring an older one up to date."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.transaction() as db:
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'product'").fetchone() is None:
                for statement in filter(str.strip, TABLES.split(";")):
                    db.execute(statement)
                _fill(db, tomllib.loads(SEED.read_text(encoding="utf-8")), self.today())
            columns = {row["name"] for row in db.execute("PRAGMA table_info (orders)")}
            if "user" not in columns:
                db.execute("ALTER TABLE orders ADD COLUMN user TEXT NOT NULL DEFAULT ''")


def once(
    db: sqlite3.Connection, key: str, asked: Mapping[str, Any], act: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What `act` answers, done once however often the same `key` asks for it.

    The answer is kept in the transaction of the act itself: whoever repeats a call whose answer
    got lost gets that answer, and nothing is done twice. An empty key is nobody's, and acts each
    time. Raises KeyReused when the key was used to ask for something else.
    """
    if not key:
        return act()
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False)
    known = db.execute("SELECT asked, answer FROM answered WHERE key = ?", [key]).fetchone()
    if known is None:
        answer = act()
        kept = json.dumps(answer, ensure_ascii=False)
        db.execute("INSERT INTO answered VALUES (?, ?, ?)", [key, text, kept])
        return answer
    if known["asked"] != text:
        raise KeyReused("Esa llave de idempotencia ya se usó para otra petición.")
    answer = json.loads(known["answer"])
    return dict(answer)


def pesos(cents: int) -> float:
    """An amount as the wire carries it."""
    return cents / 100


def _fill(db: sqlite3.Connection, seed: Mapping[str, Any], today: date) -> None:
    def day(offset: int | None) -> str | None:
        return None if offset is None else (today + timedelta(days=offset)).isoformat()

    for row in seed["suppliers"]:
        values = [row["id"], row["name"], row["phone"], row["lead_days"]]
        db.execute("INSERT INTO supplier VALUES (?, ?, ?, ?)", values)
    for row in seed["customers"]:
        values = [row["id"], row["name"], row["phone"], row["email"]]
        db.execute("INSERT INTO customer VALUES (?, ?, ?, ?)", values)
    for row in seed["invoices"]:
        amounts = [round(row["total"] * 100), round(row["paid"] * 100)]
        days = [day(row["issued"]), day(row["due"])]
        values = [row["folio"], row["customer"], *days, *amounts, day(row.get("paid_on"))]
        db.execute("INSERT INTO invoice VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    for values in _products(seed):
        db.execute("INSERT INTO product VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _products(seed: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The lines `SKU | nombre | unidad | precio | stock` below the heading, as rows."""
    suppliers = {prefix: row["id"] for row in seed["suppliers"] for prefix in row["prefixes"]}
    for line in CATALOGUE.read_text(encoding="utf-8").strip().splitlines()[1:]:
        sku, name, unit, price, stock = line.split(" | ")
        cents = round(float(price.lstrip("$").replace(",", "")) * 100)
        tenth = int(stock) // 10
        minimum = seed["minimum"].get(sku, tenth)
        sold = seed["weekly_sales"].get(sku, max(tenth, 1))
        yield [sku, name, unit, cents, int(stock), minimum, sold, suppliers[sku[:3]]]
