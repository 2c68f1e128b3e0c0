"""Money in whole billionths of a US dollar, from prices in dollars per million tokens. Pure."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Final

NANO: Final = 1_000_000_000
MILLION: Final = 1_000_000
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Amount:
    """Money and tokens, of one call or of many."""

    nano: int = 0
    tokens: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.nano + other.nano, self.tokens + other.tokens)


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per million tokens."""

    input: Decimal
    cached: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call; `cached` are those of `input` that the provider had seen before."""

    input: int = 0
    output: int = 0
    cached: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output


def cost_nano(rates: Rates, tokens: Tokens) -> int:
    """What the call cost, rounded once, half to even."""
    cached = min(tokens.cached, tokens.input)
    dollars_per_million = (
        rates.input * (tokens.input - cached) + rates.cached * cached + rates.output * tokens.output
    )
    nano = dollars_per_million * (NANO // MILLION)
    return int(nano.to_integral_value(rounding=ROUND_HALF_EVEN))


def to_nano(dollars: Decimal) -> int:
    return int((dollars * NANO).to_integral_value(rounding=ROUND_HALF_EVEN))


def to_dollars(nano: int) -> Decimal:
    """All nine digits behind the point."""
    return Decimal(nano).scaleb(-9)


def to_cents(nano: int) -> Decimal:
    """For people: two digits behind the point."""
    return to_dollars(nano).quantize(_CENT, rounding=ROUND_HALF_UP)
