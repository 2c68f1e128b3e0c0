"""Prices as the prompt writes them, and amounts written the same way."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

_PRICE = re.compile(r"^(?P<before>[^\d-]*)(?P<number>\d[\d.,]*)(?P<after>.*)$", re.DOTALL)
_GROUPED = re.compile(r"^[1-9]\d{0,2}(?:[.,]\d{3})+$")


@dataclass(frozen=True, slots=True)
class Price:
    """An amount and how it was written: what stood before and after it, its decimal mark."""

    amount: Decimal
    before: str = ""
    after: str = ""
    mark: str = "."
    num_decimals: int = 2

    def times(self, quantity: Decimal) -> "Price":
        return self.with_amount(self.amount * quantity)

    def with_amount(self, amount: Decimal) -> "Price":
        """`amount` in this price's writing; cents appear where there are some."""
        is_whole = amount == amount.to_integral_value()
        decimals = self.num_decimals if is_whole else max(self.num_decimals, 2)
        return Price(amount, self.before, self.after, self.mark, decimals)

    def __str__(self) -> str:
        step = Decimal(1).scaleb(-self.num_decimals)
        text = f"{self.amount.quantize(step, ROUND_HALF_UP):,}"
        if self.mark == ",":
            text = text.translate(str.maketrans(",.", ".,"))
        return f"{self.before}{text}{self.after}"


def read_price(text: str, *, currency: str = "") -> Price | None:
    """The price written in `text`; None when there is none. `currency` (of the column's heading)
    is put after amounts that carry none themselves.
    """
    found = _PRICE.match(text.strip())
    if found is None:
        return None
    number = found["number"].rstrip(".,")
    mark, digits = _split(number)
    before, after = found["before"], found["after"].rstrip()
    if not before.strip() and not after.strip() and currency:
        after = f" {currency}"
    decimals = len(digits.partition(".")[2])
    decimals = max(decimals, 2) if decimals else 0
    return Price(Decimal(digits), before.lstrip(), after, mark, decimals)


def _split(number: str) -> tuple[str, str]:
    """The decimal mark of `number`, and the number in Python's writing."""
    if _GROUPED.match(number):
        grouping = "," if "," in number else "."
        return ("." if grouping == "," else ","), number.replace(grouping, "")
    mark = "," if number.rfind(",") > number.rfind(".") else "."
    other = "." if mark == "," else ","
    return mark, number.replace(other, "").replace(mark, ".")
