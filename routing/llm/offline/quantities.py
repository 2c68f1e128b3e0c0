"""Messages cut into pieces of «how many of what»."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from routing.llm.offline.vocabulary import vocabulary
from routing.llm.offline.words import tokens

NUMBER_WORDS: Final = {
    "un": 1, "una": 1, "uno": 1, "dos": 2, "par": 2, "tres": 3, "cuatro": 4, "cinco": 5,
    "seis": 6, "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "once": 11, "doce": 12,
    "docena": 12, "trece": 13, "catorce": 14, "quince": 15, "veinte": 20, "veinticinco": 25,
    "treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80,
    "noventa": 90, "cien": 100, "ciento": 100, "doscientos": 200, "quinientos": 500, "mil": 1000,
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12, "fifteen": 15,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100,
}  # fmt: skip
#: «un» and «a» are articles first: they count only when nothing else does.
ARTICLES: Final = frozenset({"un", "una", "uno", "a", "an"})
DOZENS: Final = frozenset({"docena", "docenas", "dozen", "dozens"})
MEASURES: Final = vocabulary(
    """
    mm cm m mt mts metro metros pulgada pulgadas pulg in inch inches ft feet foot l lt lts
    litro litros ml kg kgs kilo kilos g gr gramos lb libras w watts v volts hp amp awg
    """
)
#: A number after one of these says which one, not how many.
BEFORE_A_NAME: Final = vocabulary("de del calibre cal numero num no tipo modelo")
#: «un pedido de 3 focos»: after one of these, «de» counts.
ORDERS: Final = vocabulary("pedido orden encargo compra cotizacion lista total order quote")
PAUSES: Final = frozenset({",", ";", ".", "!", "?", "\n", "y", "e", "and", "mas", "plus", "con"})
MAX_QUANTITY: Final = 100_000


_CODE = re.compile(r"\b[A-Z]{2,10}-[A-Z0-9]{2,20}\b")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a message: some words, and the quantity that stood before them."""

    words: tuple[str, ...]
    quantity: Decimal | None = None
    is_explicit: bool = False


def codes_in(text: str) -> list[str]:
    """The codes of products or orders in `text`, such as TUB-012: no quantity is in them."""
    return _CODE.findall(text)


def without_codes(text: str) -> str:
    return _CODE.sub(" ", text)


def pieces_of(text: str) -> list[Piece]:
    """`text` cut where a quantity begins and at pauses, in order.

    «10 tubos de 1/2 y dos codos» gives 10 (tubos de 1/2) and 2 (codos): fractions, and numbers
    that measure, belong to the name. «10 metros de cable» counts metres.
    """
    found = _joined_dozens(tokens(without_codes(text)))
    pieces: list[Piece] = []
    current: list[str] = []
    quantity: Decimal | None = None
    is_explicit = False
    for position, token in enumerate(found):
        counted = _quantity_at(found, position)
        if counted is None and token not in PAUSES:
            current.append(token)
            continue
        if current or quantity is not None:
            pieces.append(Piece(tuple(current), quantity, is_explicit))
        current, quantity = [], counted
        is_explicit = counted is not None and token not in ARTICLES
    if current or quantity is not None:
        pieces.append(Piece(tuple(current), quantity, is_explicit))
    return pieces


def numbers_in(text: str) -> list[Decimal]:
    """Every number of `text`, written in figures or words, articles aside."""
    found = _joined_dozens(tokens(text))
    read = [_number(token) for token in found if token not in ARTICLES]
    return [number for number in read if number is not None]


def _joined_dozens(found: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for token in found:
        if token in DOZENS:
            before = joined[-1] if joined else ""
            factor = Decimal("0.5") if before in ("media", "half") else _number(before)
            if factor is not None:
                joined.pop()
            joined.append(str(int((factor or 1) * 12)))
        else:
            joined.append(token)
    return joined


def _quantity_at(found: Sequence[str], position: int) -> Decimal | None:
    number = _number(found[position])
    if number is None or not 0 < number <= MAX_QUANTITY:
        return None
    earlier, before = ["", "", *found][position : position + 2]
    after, beyond = [*found, "", ""][position + 1 : position + 3]
    names = before in BEFORE_A_NAME and earlier not in ORDERS
    is_dimension = before == "x" and _number(earlier) is not None
    # «cable, 100 metros» and «100 metros de cable» count; «tubo de 6 metros» names.
    counts = beyond in ("de", "of") or before in PAUSES or not before
    measures = after in MEASURES and not counts
    return None if names or is_dimension or measures or "/" in after else number


def _number(token: str) -> Decimal | None:
    if token in NUMBER_WORDS:
        return Decimal(NUMBER_WORDS[token])
    if not token[:1].isdigit() or "/" in token:
        return None
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+", token):
        token = token.replace(",", "")
    try:
        return Decimal(token.replace(",", "."))
    except InvalidOperation:
        return None
