"""Scenario G, small: routing one message among 200 rules of all kinds, in this very process."""

from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final

from bench.loops import percentile
from bench.report import Result, Row
from bench.talkers import MESSAGES, Variant
from routing.rules import (
    RoutableMessage,
    Rule,
    SessionState,
    compile_condition,
    first_match,
    know_each_other,
)

NUM_RULES: Final = 200
NUM_RUNS: Final = 2000
CONTEXT: Final = {"channel": "web", "customer": {"tier": "silver", "orders": [1, 2, 3]}}
STATE: Final = SessionState(num_turns=4, active_agent="pedidos", idle_seconds=40.0)


def routing_among_rules() -> Result:
    """Of twenty rules ten have keywords, four examples, two a regex and one each of the other
    kinds; the message meets the last rule, or none at all.
    """
    last = Rule("last", "last", compile_condition("keyword", {"any": ["precio"]}), "catalogo")
    rules = know_each_other([*(_rule(number) for number in range(NUM_RULES - 1)), last])
    hit, miss = MESSAGES[Variant.RULE], MESSAGES[Variant.LLM]
    rows = [
        Row("the last of 200 rules matches", _timed(rules, hit)),
        Row("none of 200 rules matches", _timed(rules, miss)),
        Row("none matches, a message of 8,000 characters", _timed(rules, miss * 125)),
    ]
    return Result("G", "Rule routing of one message among 200 rules", rows, "<= 200 us")


def _rule(number: int) -> Rule:
    kind, condition = _condition(number)
    return Rule(
        str(number), f"rule {number}", compile_condition(kind, condition), "pedidos", f"i{number}"
    )


def _condition(number: int) -> tuple[str, dict[str, Any]]:
    place = number % 20
    if place < 10:
        words = [f"palabra{number}x{i}" for i in range(5)] + [f"frase larga{number}"]
        return "keyword", {"any": words}
    if place < 14:
        return "examples", {"examples": [f"{said} {number}" for said in EXAMPLES]}
    if place < 16:
        return "regex", {"pattern": rf"\bfolio\s+{number}-\d+"}
    return (
        ("intent", {"any": [f"intent {number}"]}),
        ("context", {"path": "customer.tier", "operator": "equals", "value": f"gold{number}"}),
        ("time", {"windows": [{"days": ["sun"], "from": "02:00", "to": "03:00"}]}),
        ("session", {"is_first_message": True, "agents": ["catalogo"]}),
    )[place - 16]


EXAMPLES: Final = (
    "quiero levantar una queja del servicio",
    "mi pedido llegó incompleto",
    "cuándo me entregan el material",
    "necesito la dirección de la sucursal",
    "se puede pagar en dos partes",
    "hacen cortes a la medida",
)


def _timed(rules: tuple[Rule, ...], text: str) -> dict[str, float]:
    times = []
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for _ in range(NUM_RUNS):
        started = perf_counter()
        first_match(rules, RoutableMessage.of(text, at=at, context=CONTEXT, session=STATE))
        times.append((perf_counter() - started) * 1e6)
    return {"p50 us": percentile(times, 50), "p95 us": percentile(times, 95)}
