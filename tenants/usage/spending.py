"""What the calls of a piece of work were charged, on its way into rows.

A task runs inside a `Spending`: every call adds its charge, wherever it is made, and the charges
are written in the transaction of the step that they belong to. Calls made outside of any are
written by themselves.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from orkesta.errors import OrkestaError
from orkesta.ids import uuid7
from tenants.statements import insert
from tenants.usage.money import Amount, Tokens, cost_nano
from tenants.usage.prices import Price
from tenants.usage_models import CallKind, UsageRecord


@dataclass(frozen=True, slots=True)
class Charge:
    """One call that was made, with its price."""

    kind: CallKind
    llm: str
    endpoint: str
    tokens: Tokens
    price: Price
    is_estimated: bool
    duration_ms: float
    at: datetime
    day: date
    id: UUID = field(default_factory=uuid7)

    @property
    def amount(self) -> Amount:
        return Amount(cost_nano(self.price.rates, self.tokens), self.tokens.total)


@dataclass(slots=True)
class Spending:
    """The calls of one task that no row holds yet, and the refusal that one of them met."""

    key_id: UUID | None = None
    charges: list[Charge] = field(default_factory=list)
    refusal: OrkestaError | None = None
    #: What calls of LLMs are counted as.
    kind: CallKind = CallKind.LLM

    def begin(self, key_id: UUID | None) -> None:
        """Start from what the rows say: whatever was charged before is in them."""
        self.key_id, self.charges, self.refusal = key_id, [], None

    def forget(self, written: Sequence[Charge]) -> None:
        ids = {charge.id for charge in written}
        self.charges = [charge for charge in self.charges if charge.id not in ids]


@dataclass(frozen=True, slots=True)
class Cause:
    """What the calls were made for."""

    session_id: UUID | None = None
    task_id: UUID | None = None
    step_number: int = 0
    agent_slug: str = ""


_current: ContextVar[Spending | None] = ContextVar("spending", default=None)


def open_spending(kind: CallKind = CallKind.LLM) -> Spending:
    """A new one, for this task of the event loop and all that it starts."""
    spending = Spending(kind=kind)
    _current.set(spending)
    return spending


def current_spending() -> Spending | None:
    return _current.get()


def write_charges(
    tenant_id: UUID, charges: Sequence[Charge], cause: Cause, *, key_id: UUID | None = None
) -> None:
    """One row each, in one statement. Needs the tenant's scope."""
    if charges:
        insert([_row(tenant_id, charge, cause, key_id) for charge in charges])


def write_spending(tenant_id: UUID, cause: Cause, *, more: Sequence[Charge] = ()) -> None:
    """Write the charges since the last time, and `more`; after the commit they are forgotten."""
    spending = current_spending() or Spending()
    charges = [*spending.charges, *more]
    if charges:
        write_charges(tenant_id, charges, cause, key_id=spending.key_id)
        transaction.on_commit(lambda: spending.forget(charges))


def _row(tenant_id: UUID, charge: Charge, cause: Cause, key_id: UUID | None) -> UsageRecord:
    rates, tokens = charge.price.rates, charge.tokens
    return UsageRecord(
        id=charge.id,
        tenant_id=tenant_id,
        kind=charge.kind,
        session_id=cause.session_id,
        task_id=cause.task_id,
        step_number=cause.step_number,
        key_id=key_id,
        agent_slug=cause.agent_slug,
        llm=charge.llm[:100],
        endpoint=charge.endpoint[:100],
        input_tokens=tokens.input,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        cost_nano=charge.amount.nano,
        input_price=rates.input,
        cached_price=rates.cached,
        output_price=rates.output,
        price_source=charge.price.source,
        is_estimated=charge.is_estimated,
        duration_ms=charge.duration_ms,
        created_at=charge.at,
        day=charge.day,
    )
