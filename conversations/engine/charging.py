"""What a task's calls cost, written in the transaction of the step that they belong to."""

from collections.abc import Sequence
from typing import Final

from django.utils import timezone

from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.engine.state import StepRecord
from conversations.states import StepStatus, TaskStatus
from tenants.allowances import allowance_of
from tenants.usage.money import Tokens
from tenants.usage.prices import FREE, Price
from tenants.usage.spending import Cause, Charge, Spending, write_spending
from tenants.usage_models import CallKind, PriceSource

#: What becomes of a task that met the end of its tenant's budget: it goes on when it is raised.
PAUSED_BY_BUDGET: Final = Outcome(TaskStatus.PAUSED, "budget")


def write_usage(claim: Claim, steps: Sequence[StepRecord] = ()) -> None:
    """One row for each call since the last time, in one statement; none when there was no call."""
    last = steps[-1] if steps else None
    tools = [_tool(claim, step) for step in steps if step.kind == "tool" and _is_over(step)]
    cause = Cause(
        session_id=claim.session_id,
        task_id=claim.task_id,
        step_number=last.number if last else 0,
        # Who decides on the route is the supervisor, which is no agent.
        agent_slug=last.agent_slug if last and last.kind != "route" else "",
    )
    write_spending(claim.tenant_id, cause, more=tools)


def met_the_end_of_the_budget(spending: Spending) -> bool:
    """Whether a call was refused since this was asked last, however deep below it was made."""
    refusal, spending.refusal = spending.refusal, None
    return refusal is not None


def _is_over(step: StepRecord) -> bool:
    return step.status is not StepStatus.STARTED


def _tool(claim: Claim, step: StepRecord) -> Charge:
    now = timezone.now()
    return Charge(
        kind=CallKind.TOOL,
        llm=str(step.input.get("name", "")),
        endpoint="",
        tokens=Tokens(),
        price=Price(FREE, PriceSource.BUILT_IN),
        is_estimated=False,
        duration_ms=step.duration_ms,
        at=now,
        day=allowance_of(claim.tenant_id).today(now),
    )
