"""Products that a conversation has brought up: in the results of tools, and in earlier answers."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from routing.llm.offline.briefing import HEADINGS, Product, product_from
from routing.llm.offline.catalogue import Mention
from routing.llm.offline.money import Price, read_price
from routing.llm.offline.turns import Turn
from routing.llm.offline.vocabulary import vocabulary
from routing.llm.offline.words import words

MAX_DEPTH: Final = 6
MAX_PRODUCTS: Final = 200
#: Turns after an offer, within which it stands.
MAX_BETWEEN: Final = 6
QUANTITY_KEYS: Final = vocabulary("cantidad quantity qty piezas pieces")
CURRENCY_KEYS: Final = vocabulary("moneda currency divisa")
#: Currencies whose amounts people write with a dollar sign before them.
DOLLARS: Final = frozenset({"", "MXN", "USD", "CAD", "COP", "CLP", "ARS"})

# What this model itself says of products (`phrases.py`); later it reads there what it offered.
_COUNTED = re.compile(
    r"(?P<quantity>[\d.]+) × (?P<name>.+?) \((?P<sku>[\w-]+)\) (?:a|at) (?P<price>\S.*?) = "
)
_PRICED = re.compile(
    r"(?:^|• |\n)(?P<name>[^•\n]+?) \((?P<sku>[\w-]+)\) (?:cuesta|costs) (?P<price>\S.*?)"
    r" (?:por|per) (?P<unit>[^.\n]+)\."
)
_OTHER = re.compile(r"[:,] (?P<name>[^:•\n]+?) \((?P<sku>[\w-]+), (?P<price>[^()\n]+)\)")


@dataclass(frozen=True, slots=True)
class Listed:
    """A product as a result lists it, and how many of it when it says so."""

    product: Product
    quantity: Decimal | None


def value_of(text: str) -> Any:
    """The JSON value in `text`; the text itself when it holds none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def listed_in(value: Any, *, currency: str = "", depth: int = 0) -> Iterator[Listed]:
    """Everything in a JSON value that has a name and a price, in order."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        currency = next(
            (str(v) for k, v in value.items() if str(k).casefold() in CURRENCY_KEYS), currency
        )
        listed = _listed(value, currency)
        if listed is not None:
            yield listed
        for part in value.values():
            yield from listed_in(part, currency=currency, depth=depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from listed_in(part, currency=currency, depth=depth + 1)


@lru_cache(maxsize=128)
def learned(turns: tuple[Turn, ...]) -> tuple[Product, ...]:
    """The products of `turns`, each once; those that were offered last come first, with what tools
    said of them last.
    """
    told: dict[str, Product] = {}
    for turn in turns:
        if turn.role == "tool":
            told |= {one.product.sku: one.product for one in listed_in(value_of(turn.text))}
    offered = _offered(turns)
    first = {sku: told.get(sku, product) for sku, product in offered.items()}
    found = [product for sku, product in (first | told).items() if sku]
    return tuple(found[:MAX_PRODUCTS])


def proposed(turns: Sequence[Turn]) -> tuple[Mention, ...]:
    """The lines of the offer that the assistant's last words put to the customer; empty when they
    put none: an order that is made is no question.
    """
    return _put_to(next((turn.text for turn in reversed(turns) if _is_said(turn)), ""))


def still_proposed(turns: Sequence[Turn], is_end: Callable[[str], bool]) -> tuple[Mention, ...]:
    """The lines of the last offer, when only little was said since, nothing of it counted, and no
    words of the user's were the end of it.
    """
    for turn in [*reversed(turns)][:MAX_BETWEEN]:
        if turn.role == "user" and is_end(turn.text):
            return ()
        if _is_said(turn) and _COUNTED.search(turn.text):
            return _put_to(turn.text)
    return ()


def _put_to(last: str) -> tuple[Mention, ...]:
    if "?" not in last.rpartition(" = ")[2]:
        return ()
    return tuple(
        Mention(_product(found), Decimal(found["quantity"]))
        for found in _COUNTED.finditer(last)
        if _is_number(found["quantity"])
    )


def price_of(value: Any, currency: str) -> Price | None:
    """The price that a result writes as a number or as text."""
    if isinstance(value, str):
        return read_price(value, currency=currency)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    amount = Decimal(str(value))
    if not amount.is_finite():
        return None
    if currency.upper() in DOLLARS:
        return Price(amount, before="$")
    return Price(amount, after=f" {currency}")


def quantity_of(row: Mapping[str, Any]) -> Decimal | None:
    """How many the row says there are of its product."""
    value = next((v for k, v in row.items() if str(k).casefold() in QUANTITY_KEYS), None)
    if isinstance(value, bool) or not _is_number(str(value)):
        return None
    return Decimal(str(value))


def _listed(row: Mapping[str, Any], currency: str) -> Listed | None:
    cells: dict[str, Any] = {}
    for key, value in row.items():
        heading = next((HEADINGS[word] for word in words(str(key)) if word in HEADINGS), "")
        if heading and isinstance(value, str | int | float):
            cells.setdefault(heading, value)
    price = price_of(cells.get("price"), currency)
    name = cells.get("name")
    if price is None or not isinstance(name, str) or not words(name):
        return None
    stock = cells.get("stock")
    product = product_from(
        sku=str(cells.get("sku", "")),
        name=name,
        unit=str(cells.get("unit", "")),
        price=price,
        stock=stock if isinstance(stock, int) and not isinstance(stock, bool) else None,
    )
    return Listed(product, quantity_of(row))


def _offered(turns: Sequence[Turn]) -> dict[str, Product]:
    offered: dict[str, Product] = {}
    for turn in reversed([turn for turn in turns if _is_said(turn)]):
        for pattern in (_COUNTED, _PRICED, _OTHER):
            for found in pattern.finditer(turn.text):
                offered.setdefault(found["sku"], _product(found))
    return offered


def _is_said(turn: Turn) -> bool:
    return turn.role == "assistant" and bool(turn.text)


def _product(found: re.Match[str]) -> Product:
    parts = found.groupdict()
    return product_from(
        sku=parts["sku"],
        name=parts["name"].strip(),
        unit=parts.get("unit") or "",
        price=read_price(parts["price"]),
        stock=None,
    )


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
