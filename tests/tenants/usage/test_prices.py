from decimal import Decimal

from django.conf import LazySettings

from tenants.usage.money import Rates, Tokens
from tenants.usage.prices import find_price

OPENAI = "https://api.openai.com/v1"
FEW = Tokens(input=1000, output=100)
CHEAP = Rates(Decimal(1), Decimal(1), Decimal(1))


def test_the_tenants_own_price_goes_first() -> None:
    price = find_price(["gpt-5-mini"], OPENAI, own={"gpt-5-mini": CHEAP}, tokens=FEW)
    assert (price.rates, price.source) == (CHEAP, "override")


def test_the_price_list_knows_versions_of_an_llm() -> None:
    price = find_price(["gpt-5-mini-2025-08-07"], OPENAI, own={}, tokens=FEW)
    assert price.source == "catalogue"
    assert price.rates == Rates(Decimal("0.25"), Decimal("0.025"), Decimal(2))


def test_an_llm_is_known_by_the_name_it_was_asked_by_or_that_it_gave_itself() -> None:
    by_asking = find_price(["gpt-5-mini", "mystery"], OPENAI, own={}, tokens=FEW)
    by_answer = find_price(["mystery", "gpt-5-mini"], OPENAI, own={}, tokens=FEW)
    assert by_asking == by_answer
    assert by_asking.source == "catalogue"


def test_a_long_input_has_the_price_of_long_inputs() -> None:
    host = "https://generativelanguage.googleapis.com/v1beta/openai"
    at_limit = find_price(["gemini-2.5-pro"], host, own={}, tokens=Tokens(input=200_000))
    beyond = find_price(["gemini-2.5-pro"], host, own={}, tokens=Tokens(input=200_001))
    assert (at_limit.rates.input, beyond.rates.input) == (Decimal("1.25"), Decimal("2.5"))


def test_a_known_name_at_an_unknown_host_is_not_a_known_price(settings: LazySettings) -> None:
    settings.ORKESTA_ASSUMED_PRICE = 7.0
    price = find_price(["gpt-5-mini"], "http://ollama.lan/v1", own={}, tokens=FEW)
    assert (price.rates.output, price.source) == (Decimal(7), "unknown")


def test_the_built_in_model_is_free() -> None:
    price = find_price(["orkesta-offline"], "offline://", own={}, tokens=FEW)
    assert (price.rates.input, price.source) == (0, "built_in")
