"""The parts of runs: what each starts from, how it is done, and what is written of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import F

from conversations.drafts.replaying import PastTask, load_past, replay_message
from prompts.case_models import PromptTestCase, PromptTestRun
from prompts.case_runs import digest_of, get_test_run, next_case, result_of
from prompts.drafted import DraftAnswer, DraftQuestion
from prompts.models import PromptVersion
from prompts.replay_models import PromptReplay, PromptReplayMessage, ReplayOutcome
from prompts.replays import Answered, get_replay, next_message, write_answered
from prompts.run_models import RunStatus
from prompts.runs import RunClaim, write_part
from routing.drafted import answer_under, draft_snapshot, drafted_agent
from routing.gateway import Gateway
from routing.snapshot import AgentSnapshot, TenantSnapshot
from tenants.usage.spending import Cause, Charge, write_charges

_DEADLY = "It ended the process that tried it, three times."


class RunOver(Exception):
    """Nothing is left to do, or nothing can be done."""

    def __init__(self, status: RunStatus, reason: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class ReplayPart:
    """One message of a replay; `past` is None when its task was deleted since."""

    claim: RunClaim
    message: PromptReplayMessage
    past: PastTask | None

    async def do(self, gateway: Gateway) -> Answered:
        """What becomes of the message. Failures are outcomes, too."""
        if self.claim.is_deadly:
            return Answered(ReplayOutcome.FAILED, problem=_DEADLY)
        if self.past is None:
            return Answered(ReplayOutcome.FAILED, problem="The message was deleted.")
        return await replay_message(self.past, self.message, gateway)

    def write(self, outcome: Answered, charges: Sequence[Charge]) -> None:
        """Needs the tenant's scope. Raises RunLost."""
        amounts = [charge.amount for charge in charges]
        answered = replace(
            outcome,
            tokens=sum(amount.tokens for amount in amounts),
            cost_nano=sum(amount.nano for amount in amounts),
        )
        with transaction.atomic():
            write_answered(self.claim, self.message, answered)
            cause = Cause(agent_slug=answered.agent_slug)
            write_charges(self.claim.tenant_id, charges, cause)


@dataclass(frozen=True, slots=True)
class CasePart:
    """One test case; `case` is None when it was deleted since."""

    claim: RunClaim
    case: PromptTestCase | None
    snapshot: TenantSnapshot
    agent: AgentSnapshot

    async def do(self, gateway: Gateway) -> DraftAnswer:
        """What is answered. Failures are answers, too."""
        if self.claim.is_deadly or self.case is None:
            return DraftAnswer(failure=_DEADLY)
        question = DraftQuestion(self.case.message, self.case.context)
        return await answer_under(self.snapshot, self.agent, question, gateway)

    def write(self, outcome: DraftAnswer, charges: Sequence[Charge]) -> None:
        """Needs the tenant's scope. Raises RunLost."""
        with transaction.atomic():
            write_part(self.claim, self._counted(outcome))
            cause = Cause(agent_slug=self.agent.slug)
            write_charges(self.claim.tenant_id, charges, cause)

    def _counted(self, answer: DraftAnswer) -> dict[str, Any]:
        if self.case is None:
            return {}
        result = result_of(self.case, answer)
        rows = PromptTestRun.objects.filter(pk=self.claim.run_id)
        known = rows.select_for_update().values_list("results", flat=True).get()
        counter = "num_failed" if result["faults"] else "num_passed"
        return {"results": [*known, result], counter: F(counter) + 1}


Part = ReplayPart | CasePart


def load_part(claim: RunClaim) -> Part:
    """What the claim is for. Needs the tenant's scope. Raises RunOver, and whatever keeps the text
    from being told.
    """
    if claim.kind is PromptReplay:
        replay = get_replay(claim.run_id)
        _check_text(replay.version, replay.digest)
        message = next_message(claim)
        if message is None:
            raise RunOver(RunStatus.COMPLETED)
        past = None if claim.is_deadly else load_past(replay.version, message)
        return ReplayPart(claim, message, past)
    run = get_test_run(claim.run_id)
    _check_text(run.version, run.digest)
    snapshot = draft_snapshot(run.version)
    agent = drafted_agent(run.version, snapshot)
    return CasePart(claim, next_case(run), snapshot, agent)


def _check_text(version: PromptVersion, digest: str) -> None:
    """Figures of two texts would say nothing about either."""
    if digest_of(version) != digest:
        raise RunOver(RunStatus.CANCELLED, "edited")
