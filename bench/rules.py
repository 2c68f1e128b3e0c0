"""Scenario G, small: routing one message among 200 rules, in this very process."""

from time import perf_counter

from bench.loops import percentile
from bench.report import Result, Row
from bench.talkers import MESSAGES, Variant
from routing.rules import RoutableMessage, Rule, compile_condition, first_match

NUM_RULES = 200
NUM_RUNS = 2000


def routing_among_rules() -> Result:
    """Nine keyword rules to each regex; the message meets the last rule, or none at all."""
    rules = [_rule(number) for number in range(NUM_RULES - 1)]
    last = Rule("last", "last", compile_condition("keyword", {"any": ["precio"]}), "catalogo")
    hit, miss = MESSAGES[Variant.RULE], MESSAGES[Variant.LLM]
    rows = [
        Row("the last of 200 rules matches", _timed((*rules, last), hit)),
        Row("none of 200 rules matches", _timed((*rules, last), miss)),
        Row("none matches, a message of 8,000 characters", _timed((*rules, last), miss * 125)),
    ]
    return Result("G", "Rule routing of one message among 200 rules", rows, "<= 200 us")


def _rule(number: int) -> Rule:
    if number % 10 == 9:
        condition = compile_condition("regex", {"pattern": rf"\bfolio\s+{number}-\d+"})
    else:
        words = [f"palabra{number}x{i}" for i in range(5)] + [f"frase larga{number}"]
        condition = compile_condition("keyword", {"any": words})
    return Rule(str(number), f"rule {number}", condition, "pedidos")


def _timed(rules: tuple[Rule, ...], text: str) -> dict[str, float]:
    times = []
    for _ in range(NUM_RUNS):
        started = perf_counter()
        first_match(rules, RoutableMessage.of(text))
        times.append((perf_counter() - started) * 1e6)
    return {"p50 us": percentile(times, 50), "p95 us": percentile(times, 95)}
