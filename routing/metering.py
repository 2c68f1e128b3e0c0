"""The meter at the door to LLMs: no call without a hold on the budget, none without its charge."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final
from uuid import UUID

import orjson
from django.utils import timezone

from orkesta.ids import uuid7
from routing.llm.embeddings import Embeddings
from routing.llm.types import Completion, LLMRequest, LLMTarget, Usage
from routing.llm.wire import tokens_in
from tenants.allowance_cache import find_allowance, forget_now
from tenants.allowances import Allowance, allowance_of
from tenants.errors import BudgetExhausted, LLMNotAllowed
from tenants.scope import in_tenant
from tenants.usage.meter import HOLD_SECONDS, Hold, Verdict, reserve, usage_meter
from tenants.usage.money import Amount, Tokens, cost_nano
from tenants.usage.prices import find_price
from tenants.usage.spending import Cause, Charge, current_spending, write_charges
from tenants.usage.totals import month_of, read_spent_this_month
from tenants.usage_models import CallKind

#: What a call without a bound of its own may answer at most, as far as its hold is concerned.
USUAL_OUTPUT: Final = 4096
#: Text in any language has fewer tokens than half its characters, so a hold is never too small.
CHARS_PER_HELD_TOKEN: Final = 2
WAIT_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class TextsToEmbed:
    """Asked of a model that turns texts into vectors. Orkesta does without, so a spent budget stops
    the call, and not the task that it was made for.
    """

    texts: Sequence[str]


Asked = LLMRequest | TextsToEmbed


@dataclass(slots=True)
class Metered:
    """A call under way. It is settled once: by its completion, or by how far it came."""

    target: LLMTarget
    request: Asked
    tenant_id: UUID
    allowance: Allowance
    hold: Hold | None
    num_heard: int = 0
    is_settled: bool = False
    started: float = field(default_factory=perf_counter)

    async def hear(self, piece: str | Completion | Embeddings) -> None:
        """Take a piece of the answer into account before it is passed on: whoever gets the
        completion may never come back for more.
        """
        if isinstance(piece, Completion | Embeddings):
            charge = self._charge(piece.usage, piece.model, piece.duration_ms)
            await self._settle(charge)
        else:
            self.num_heard += len(piece)

    async def end(self, *, was_cut_off: bool) -> None:
        """Without a completion: charge by estimate what was heard, or asked and then cut off."""
        if self.is_settled:
            return
        if not self.num_heard and not was_cut_off:
            await self._settle(None)
            return
        asked, heard = tokens_in(_num_chars(self.request)), tokens_in(self.num_heard)
        duration_ms = (perf_counter() - self.started) * 1000
        await self._settle(self._charge(Usage(asked, heard, estimated=True), "", duration_ms))

    async def _settle(self, charge: Charge | None) -> None:
        self.is_settled = True
        spending = current_spending()
        if charge is not None and spending is not None:
            spending.charges.append(charge)
        if self.hold is not None:
            await usage_meter().settle(self.hold, charge.amount if charge else Amount())
        if charge is not None and spending is None:
            await in_tenant(self.tenant_id, write_charges, self.tenant_id, [charge], Cause())

    def _charge(self, usage: Usage, answered_by: str, duration_ms: float) -> Charge:
        llms = [name for name in (self.target.model, answered_by) if name]
        tokens = Tokens(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
        own, now = self.allowance.prices, timezone.now()
        kind = spending.kind if (spending := current_spending()) else CallKind.LLM
        return Charge(
            kind=kind if isinstance(self.request, LLMRequest) else CallKind.EMBEDDING,
            llm=llms[-1],
            endpoint=self.target.name,
            tokens=tokens,
            price=find_price(llms, self.target.base_url, own=own, tokens=tokens),
            is_estimated=usage.estimated,
            duration_ms=duration_ms,
            at=now,
            day=self.allowance.today(now),
        )


class Unmetered:
    """A call that no tenant makes."""

    async def hear(self, piece: str | Completion | Embeddings) -> None:
        """Nobody pays for it."""


@asynccontextmanager
async def metered(target: LLMTarget, request: Asked) -> AsyncIterator[Metered | Unmetered]:
    """Hold what the call may cost, and settle it by what it did. A call that failed before it said
    anything costs nothing; one that we cut off is charged by estimate.

    Raises BudgetExhausted and LLMNotAllowed. Waits while calls under way may use up the rest.
    """
    if not target.tenant_id:
        yield Unmetered()
        return
    tenant_id = UUID(target.tenant_id)
    allowance = await _allowance(tenant_id)
    if not allowance.may_ask(target.model):
        raise LLMNotAllowed(f"The tenant's tier does not allow the LLM {target.model}.")
    hold = await _reserve(tenant_id, allowance, target, request)
    call = Metered(target, request, tenant_id, allowance, hold)
    was_cut_off = False
    try:
        yield call
    except (asyncio.CancelledError, GeneratorExit):
        was_cut_off = True
        raise
    finally:
        await call.end(was_cut_off=was_cut_off)


async def _allowance(tenant_id: UUID) -> Allowance:
    known = find_allowance(tenant_id)
    return known if known is not None else await in_tenant(tenant_id, allowance_of, tenant_id)


async def _reserve(
    tenant_id: UUID, allowance: Allowance, target: LLMTarget, request: Asked
) -> Hold | None:
    """None when there is no cap to mind."""
    if not allowance.caps.is_set:
        return None
    account = f"{tenant_id}:{month_of(allowance.today()):%Y-%m}"
    hold = Hold(account, uuid7().hex, _at_most(target, request, allowance))
    is_fresh = False
    waited = 0.0
    while waited < HOLD_SECONDS and allowance.caps.is_set:
        verdict = await reserve(
            usage_meter(),
            hold,
            allowance.caps,
            read_spent=lambda: in_tenant(tenant_id, read_spent_this_month, tenant_id),
        )
        if verdict is Verdict.ADMITTED:
            return hold
        if verdict is Verdict.EXHAUSTED:
            if is_fresh:
                break
            # Somebody may have raised the budget in another process a moment ago.
            forget_now(tenant_id)
            allowance, is_fresh = await _allowance(tenant_id), True
            continue
        await asyncio.sleep(WAIT_SECONDS)
        waited += WAIT_SECONDS
    if not allowance.caps.is_set:
        return None
    refusal = BudgetExhausted()
    if isinstance(request, LLMRequest) and (spending := current_spending()) is not None:
        spending.refusal = refusal
    raise refusal


def _at_most(target: LLMTarget, request: Asked, allowance: Allowance) -> Amount:
    tokens = Tokens(
        input=_num_chars(request) // CHARS_PER_HELD_TOKEN,
        output=_most_said(request),
    )
    price = find_price([target.model], target.base_url, own=allowance.prices, tokens=tokens)
    return Amount(cost_nano(price.rates, tokens), tokens.total)


def _most_said(request: Asked) -> int:
    """Tokens of the longest answer; vectors are not said in tokens."""
    if isinstance(request, TextsToEmbed):
        return 0
    return request.max_output_tokens or USUAL_OUTPUT


def _num_chars(request: Asked) -> int:
    if isinstance(request, TextsToEmbed):
        return sum(map(len, request.texts))
    said = sum(len(str(message.get("content") or "")) for message in request.messages)
    if not request.tools:
        return said
    return said + sum(
        len(tool.description) + len(orjson.dumps(tool.parameters)) for tool in request.tools
    )
