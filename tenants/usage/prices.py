"""What an LLM costs: the tenant's own price, else that of the price list, else an assumed one.

The list is that of genai-prices, as installed: nothing is fetched. Where a price depends on the
length of the input or the time of day, the list's answer for this very call counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from tenants.usage.money import MILLION, Rates, Tokens
from tenants.usage_models import PriceSource

FREE: Final = Rates(Decimal(0), Decimal(0), Decimal(0))
#: The provider that the built-in model is known as.
BUILT_IN_SCHEME: Final = "offline"
#: Prices that depend on the input's length change at multiples of this: 128,000, 200,000, 272,000.
LENGTH_UNIT: Final = 8_000


@dataclass(frozen=True, slots=True)
class Price:
    rates: Rates
    source: PriceSource


def find_price(
    llms: Sequence[str], base_url: str, *, own: Mapping[str, Rates], tokens: Tokens
) -> Price:
    """The price of a call at `base_url`; `llms` are the names the LLM has, as asked for and as the
    answer says, and `own` the tenant's prices by name.
    """
    for llm in llms:
        if llm in own:
            return Price(own[llm], PriceSource.OVERRIDE)
    if urlsplit(base_url).scheme == BUILT_IN_SCHEME:
        return Price(FREE, PriceSource.BUILT_IN)
    num_input = max(LENGTH_UNIT, -(-tokens.input // LENGTH_UNIT) * LENGTH_UNIT)
    for llm in llms:
        listed = _listed(llm, base_url, num_input)
        if listed is not None:
            return Price(listed, PriceSource.CATALOGUE)
    assumed = Decimal(str(settings.ORKESTA_ASSUMED_PRICE))
    return Price(Rates(assumed, assumed, assumed), PriceSource.UNKNOWN)


@cache
def _genai_prices() -> Any:
    # Here and not above: it takes a tenth of a second, which only those who need a price pay.
    import genai_prices  # noqa: PLC0415

    return genai_prices


@lru_cache(maxsize=4096)
def _listed(llm: str, base_url: str, num_input: int) -> Rates | None:
    """The list's prices for an input of that length; None when it does not know the LLM."""
    library = _genai_prices()
    usages = (
        library.Usage(input_tokens=num_input, output_tokens=0),
        library.Usage(input_tokens=num_input, cache_read_tokens=num_input, output_tokens=0),
        library.Usage(input_tokens=num_input, output_tokens=MILLION),
    )
    try:
        plain, cached, full = (
            library.calc_price(usage, llm, provider_api_url=base_url) for usage in usages
        )
    except LookupError:
        return None
    return Rates(
        input=_per_million(plain.input_price, num_input),
        cached=_per_million(cached.input_price, num_input),
        output=_per_million(full.output_price, MILLION),
    )


def _per_million(price: Any, num_tokens: int) -> Decimal:
    return (Decimal(price) * MILLION / num_tokens).quantize(Decimal("0.000001"))
