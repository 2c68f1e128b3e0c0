"""Steps as rows: a finished one is inserted; one that had been begun is completed."""

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from conversations.engine.charging import write_usage
from conversations.engine.claims import Claim
from conversations.engine.state import StepRecord
from conversations.errors import LeaseLost
from conversations.models import Step
from conversations.states import StepStatus
from tenants.statements import insert


def write_steps(claim: Claim, steps: Sequence[StepRecord]) -> None:
    """To be called in the transaction that has checked the claim. A finished step is never
    touched: raises LeaseLost when one that should be begun is not.
    """
    fresh = [_row(claim, step) for step in steps if not step.is_begun]
    if fresh:
        insert(fresh)
    for step in steps:
        if step.is_begun:
            _complete(claim, step)
    write_usage(claim, steps)


def _complete(claim: Claim, step: StepRecord) -> None:
    begun = Step.objects.filter(
        task_id=claim.task_id, number=step.number, status=StepStatus.STARTED
    )
    row = _row(claim, step)
    changed = {
        name: getattr(row, name)
        for name in ("status", "attempt", "reason", "input", "output", "duration_ms", "finished_at")
    }
    if not begun.update(**changed):
        raise LeaseLost


def _row(claim: Claim, step: StepRecord) -> Step:
    now = timezone.now()
    is_finished = step.status is not StepStatus.STARTED
    return Step(
        tenant_id=claim.tenant_id,
        task_id=claim.task_id,
        attempt=claim.attempt,
        number=step.number,
        kind=step.kind,
        status=step.status,
        agent_slug=step.agent_slug,
        reason=step.reason[:500],
        input=step.input,
        output=step.output,
        prompt_version_id=step.prompt_version_id,
        llm=step.llm[:100],
        input_tokens=step.input_tokens,
        output_tokens=step.output_tokens,
        first_token_ms=step.first_token_ms,
        duration_ms=step.duration_ms,
        started_at=now - timedelta(milliseconds=step.duration_ms),
        finished_at=now if is_finished else None,
    )
