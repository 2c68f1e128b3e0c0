from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.usage.money import Amount, Rates, Tokens, cost_nano, to_cents, to_dollars, to_nano

COUNTS = st.integers(min_value=0, max_value=10_000_000)
PRICES = st.decimals(min_value=0, max_value=1000, places=6)
CALLS = st.tuples(PRICES, PRICES, PRICES, COUNTS, COUNTS, COUNTS)
exactly = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def test_a_million_tokens_cost_their_price() -> None:
    rates = Rates(Decimal("1.25"), Decimal("0.125"), Decimal(10))
    assert to_dollars(cost_nano(rates, Tokens(input=1_000_000))) == Decimal("1.25")
    assert to_dollars(cost_nano(rates, Tokens(output=1_000_000))) == 10
    cached = Tokens(input=1_000_000, cached=1_000_000)
    assert to_dollars(cost_nano(rates, cached)) == Decimal("0.125")


def test_more_cached_tokens_than_there_were_count_once() -> None:
    rates = Rates(Decimal(1), Decimal("0.5"), Decimal(0))
    assert cost_nano(rates, Tokens(input=10, cached=99)) == 5000


@exactly
@given(CALLS)
def test_a_cost_is_the_exact_one_rounded_once(call: tuple[Decimal, ...]) -> None:
    paid, kept, said, num_in, num_out, num_cached = call
    tokens = Tokens(int(num_in), int(num_out), int(num_cached))
    with localcontext(prec=60):
        cached = min(num_cached, num_in)
        exact = (paid * (num_in - cached) + kept * cached + said * num_out) * 1000
        expected = int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))
    assert cost_nano(Rates(paid, kept, said), tokens) == expected


@exactly
@given(CALLS, COUNTS)
def test_more_tokens_never_cost_less(call: tuple[Decimal, ...], more: int) -> None:
    paid, kept, said, num_in, num_out, _ = call
    rates = Rates(paid, kept, said)
    less = Tokens(int(num_in), int(num_out))
    assert cost_nano(rates, less) <= cost_nano(rates, Tokens(less.input, less.output + more))
    assert cost_nano(rates, less) <= cost_nano(rates, Tokens(less.input + more, less.output))


@exactly
@given(st.lists(st.integers(min_value=0, max_value=10**15), max_size=30))
def test_sums_lose_nothing(costs: list[int]) -> None:
    total = sum((Amount(nano) for nano in costs), Amount())
    assert to_dollars(total.nano) == sum((to_dollars(nano) for nano in costs), Decimal(0))
    assert to_nano(to_dollars(total.nano)) == total.nano


def test_people_are_told_cents() -> None:
    assert [str(to_cents(nano)) for nano in (0, 4_999_999, 5_000_000, 1_234_567_890)] == [
        "0.00",
        "0.00",
        "0.01",
        "1.23",
    ]
