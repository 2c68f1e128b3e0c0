"""What a prompt costs, in words for its pages."""

from dataclasses import dataclass

from prompts.costs import Traffic
from tenants.admin.money import dollars


@dataclass(frozen=True, slots=True)
class CostShown:
    """`per_call` and `per_month` are amounts of money, empty while no price is known."""

    num_calls: int
    llm: str
    per_call: str
    per_month: str


def cost_shown(traffic: Traffic, num_tokens: int) -> CostShown:
    return CostShown(
        num_calls=traffic.num_calls,
        llm=traffic.llm,
        per_call=_dollars(traffic.per_call(num_tokens)),
        per_month=_dollars(traffic.per_month(num_tokens)),
    )


def _dollars(nano: int | None) -> str:
    return "" if nano is None else dollars(nano)
