"""What a prompt costs: the tokens that it adds to each call of the agents that are told it."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from prompts.models import Prompt, PromptVersion
from tenants.allowances import allowance_of
from tenants.usage.money import Rates, Tokens, cost_nano
from tenants.usage.report import GroupBy, read_usage, total_of
from tenants.usage_models import CallKind, UsageRecord

#: The month that traffic is counted over.
NUM_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls to LLMs in the last 30 days by whoever is told a prompt, and what the newest of them
    was charged: `input_price` is in US dollars per million tokens, None before the first call.
    """

    num_calls: int = 0
    llm: str = ""
    input_price: Decimal | None = None

    def per_call(self, num_tokens: int) -> int | None:
        """What so many tokens add to a call, in nano-dollars and before any discount for what the
        provider has seen before; None when no price is known.
        """
        if self.input_price is None:
            return None
        rates = Rates(self.input_price, self.input_price, Decimal(0))
        return cost_nano(rates, Tokens(input=num_tokens))

    def per_month(self, num_tokens: int) -> int | None:
        """What they cost in 30 days, if it goes on like this."""
        return self.per_call(num_tokens * self.num_calls)


def read_traffic(prompt: Prompt) -> Traffic:
    """The traffic of the agents that are told this prompt, or this block. Needs its scope."""
    slugs = _agents_told(prompt)
    if not slugs:
        return Traffic()
    last = allowance_of(prompt.tenant_id).today()
    first = last - timedelta(days=NUM_DAYS - 1)
    calls = {"kind": CallKind.LLM, "agent_slug__in": slugs}
    lines = read_usage(GroupBy.AGENT, first, last, **calls)
    # By day first, which the rows are indexed by.
    newest = UsageRecord.objects.filter(day__gte=first, **calls).order_by("-day", "-id").first()
    if newest is None:
        return Traffic(total_of(lines).calls)
    return Traffic(total_of(lines).calls, newest.llm, newest.input_price)


def _agents_told(prompt: Prompt) -> list[str]:
    # Agents live a storey above; the relation leads up to them without an import.
    told = Prompt.objects.filter(pk=prompt.pk)
    if prompt.is_block:
        status = PromptVersion.Status.PUBLISHED
        versions = PromptVersion.objects.filter(parts__block__prompt=prompt, status=status)
        told = Prompt.objects.filter(versions__in=versions)
    return sorted(set(told.exclude(agents=None).values_list("agents__slug", flat=True)))
