"""What a system prompt knows: who speaks with whom, the catalogue, and facts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from routing.llm.offline.language import Language, language_of
from routing.llm.offline.money import Price, read_price
from routing.llm.offline.vocabulary import FILLERS, vocabulary
from routing.llm.offline.words import plain, root, root_set, roots, words

#: Keys of bullets that tell the model how to behave; they are no facts for customers.
INSTRUCTIONS: Final = root_set(
    vocabulary(
        """
        tono estilo regla reglas objetivo formato rol idioma nunca siempre responde instruccion
        instrucciones importante limite limites personalidad tarea ejemplo tone style rule rules
        role goal format language never always instruction instructions important task example
        """
    )
)
#: What the heading of a column says, and which part of a product stands below it.
HEADINGS: Final = {
    "sku": "sku",
    "codigo": "sku",
    "clave": "sku",
    "code": "sku",
    "nombre": "name",
    "producto": "name",
    "descripcion": "name",
    "articulo": "name",
    "name": "name",
    "product": "name",
    "item": "name",
    "unidad": "unit",
    "unit": "unit",
    "precio": "price",
    "price": "price",
    "stock": "stock",
    "existencia": "stock",
    "existencias": "stock",
    "inventario": "stock",
}
#: More facts than this no prompt of a shop has.
MAX_FACTS: Final = 300
DEFAULT_COLUMNS: Final = ("sku", "name", "unit", "price", "stock")

_FACT = re.compile(r"^\s*[-*•]\s*(?:\*\*)?([^:|\n]{2,60}?)(?:\*\*)?\s*:\s+(\S.*)$")
_QUESTION = re.compile(
    r"^[ \t]*(?:[-*•][ \t]*)?(?:P|Q|Pregunta|Question)[:.][ \t]*(?P<q>\S[^\n]{2,300}?)\s{1,8}"
    r"(?:[-*•][ \t]*)?(?:R|A|Respuesta|Answer)[:.][ \t]*(?P<a>[^\n]{1,1000})",
    re.MULTILINE,
)
_PERSONA = re.compile(r"\b(?:Eres|You are|Soy|I am)\s+(?P<who>[^.\n;]{3,160})", re.IGNORECASE)
_CUSTOMER = re.compile(
    r"\b(?:Atiendes a|Hablas con|You are talking to|You serve)\s+(?P<who>[^.,;\n]{2,80})"
)
_CURRENCY = re.compile(r"\(\s*([A-Z]{3}|[$€£]|pesos|euros)\s*\)|\b([A-Z]{3})\s*$")


@dataclass(frozen=True, slots=True)
class Product:
    """One line of the catalogue; `roots` are those of its name, `unit_roots` of its unit."""

    sku: str
    name: str
    unit: str
    price: Price | None
    stock: int | None
    roots: tuple[str, ...]
    unit_roots: frozenset[str]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something customers may be told: `key` says what it is about."""

    key: str
    text: str
    roots: frozenset[str]
    text_roots: frozenset[str]


@dataclass(frozen=True, slots=True)
class Briefing:
    """A system prompt as the offline model understands it."""

    text: str
    persona: str
    customer: str
    language: Language
    products: tuple[Product, ...]
    facts: tuple[Fact, ...]


@lru_cache(maxsize=64)
def read_briefing(system: str) -> Briefing:
    """Reads `SKU | nombre | unidad | precio | stock` lines, `- key: value` lines, «P: … R: …»
    pairs, who the prompt says the model is, and whom it says it serves.
    """
    return Briefing(
        text=system,
        persona=_who(_PERSONA, system),
        customer=_who(_CUSTOMER, system),
        language=language_of(system),
        products=tuple(_products(system.splitlines())),
        facts=tuple(_facts(system)),
    )


def _who(pattern: re.Pattern[str], system: str) -> str:
    found = pattern.search(system)
    return " ".join(found["who"].split()) if found else ""


def _products(lines: Sequence[str]) -> list[Product]:
    products = []
    columns: Sequence[str] = DEFAULT_COLUMNS
    currency = ""
    for line in lines:
        if "|" not in line:
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        headings = [_heading(cell) for cell in cells]
        if headings.count("") < len(cells) / 2:
            columns, currency = headings, _currency(cells, headings)
            continue
        product = _product(dict(zip(columns, cells, strict=False)), currency)
        if product is not None:
            products.append(product)
    return products


def _heading(cell: str) -> str:
    return next((HEADINGS[word] for word in words(cell) if word in HEADINGS), "")


def _currency(cells: Sequence[str], headings: Sequence[str]) -> str:
    for cell, heading in zip(cells, headings, strict=True):
        found = _CURRENCY.search(cell) if heading == "price" else None
        if found is not None:
            return found.group(1) or found.group(2)
    return ""


def _product(cells: dict[str, str], currency: str) -> Product | None:
    price = read_price(cells.get("price", ""), currency=currency)
    name = cells.get("name", "")
    if price is None or not words(name):
        return None
    stock = re.search(r"\d+", cells.get("stock", "").replace(",", ""))
    return product_from(
        sku=cells.get("sku", ""),
        name=name,
        unit=cells.get("unit", ""),
        price=price,
        stock=int(stock.group()) if stock else None,
    )


def product_from(
    *, sku: str, name: str, unit: str, price: Price | None, stock: int | None
) -> Product:
    """A product with the roots by which it is looked up."""
    return Product(
        sku=sku,
        name=name,
        unit=unit,
        price=price,
        stock=stock,
        roots=tuple(dict.fromkeys(_naming(name))),
        unit_roots=frozenset(roots(unit)),
    )


def _naming(name: str) -> list[str]:
    """The roots of a name, without «de» and «para», unless there is nothing else."""
    return [root(word) for word in words(name) if word not in FILLERS] or roots(name)


def _facts(system: str) -> list[Fact]:
    facts = []
    for line in system.splitlines():
        found = _FACT.match(line)
        if found is not None and not INSTRUCTIONS.intersection(roots(found.group(1))[:2]):
            facts.append(_fact(found.group(1), found.group(2)))
    for pair in _QUESTION.finditer(system):
        facts.append(_fact(" ".join(pair["q"].split()), " ".join(pair["a"].split())))
    told = [fact for fact in facts if plain(fact.key) not in ("p", "q", "r", "a")]
    return told[:MAX_FACTS]


def _fact(key: str, text: str) -> Fact:
    return Fact(key.strip(), text.strip(), frozenset(roots(key)), frozenset(roots(text)))
