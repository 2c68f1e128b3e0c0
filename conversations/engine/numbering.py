"""The numbers of what is told of a step, and what the session learns as it gives them out."""

from functools import cache
from typing import Any, Final

from django.db import connection
from django.db.models import BigIntegerField, CharField, TextField

from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.engine.fence import holds, usual_fence
from conversations.engine.state import StepRecord
from conversations.event_log import PLAIN, Place, find_numbers, numbering, take_numbers
from conversations.states import StepKind, StepStatus
from orkesta.statements import Param
from routing.models import Agent
from routing.snapshot import known_version
from tenants.statements import TenantStatement, provided

#: The agent that was routed to has the conversation from now on.
_HANDING_OVER: Final = numbering(
    lambda: {
        "active_agent": Agent.objects.filter(slug=Param("slug", CharField())).values("pk")[:1],
        "last_intent": Param("intent", CharField()),
    }
)
_HANDED_OFF: Final = numbering(
    lambda: {"active_agent": Agent.objects.filter(slug=Param("slug", CharField())).values("pk")[:1]}
)
_SUMMARISING: Final = numbering(
    lambda: {
        "summary": Param("text", TextField()),
        "summary_turn": Param("turn", BigIntegerField()),
    }
)


def place_of(claim: Claim) -> Place:
    """Where it is told, with the configuration that is known here."""
    return Place(claim.tenant_id, claim.session_id, known_version(claim.tenant_id))


def hold_and_take_numbers(
    claim: Claim, outcome: Outcome | None, num_steps: int, count: int, step: StepRecord
) -> int | None:
    """`holds`, and the first of `count` numbers; None when it does not hold. On PostgreSQL, where
    each statement is a round trip, that is one.
    """
    fence = usual_fence(outcome)
    if connection.vendor != "postgresql" or fence is None:
        held = holds(claim, outcome, num_steps)
        return take_numbers_of(claim, count, step) if held else None
    by, more = numbering_of(claim, step)
    values = {"task_id": claim.task_id, "attempt": claim.attempt, "num_steps": num_steps}
    return find_numbers(place_of(claim), count, by=_together(fence, by), **values, **more)


@cache
def _together(fence: TenantStatement, then: TenantStatement) -> TenantStatement:
    return provided(fence, then)


def take_numbers_of(claim: Claim, count: int, step: StepRecord) -> int:
    """The first of `count` numbers, for what is told of the step."""
    by, values = numbering_of(claim, step)
    return take_numbers(place_of(claim), count, by=by, **values)


def numbering_of(claim: Claim, step: StepRecord) -> tuple[TenantStatement, dict[str, Any]]:
    """How numbers are taken for what is told of the step, and what the session learns by it; of a
    branch, nothing.
    """
    if claim.is_branch:
        return PLAIN, {}
    if step.status is not StepStatus.SUCCEEDED or not step.agent_slug:
        return PLAIN, {}
    match step.kind:
        case StepKind.ROUTE:
            return _HANDING_OVER, {"slug": step.agent_slug, "intent": _intent(step)}
        case StepKind.HANDOFF:
            return _HANDED_OFF, {"slug": step.agent_slug}
        case StepKind.SUMMARY:
            return _SUMMARISING, {"text": step.output["text"], "turn": step.output["up_to_turn"]}
        case _:
            return PLAIN, {}


def _intent(step: StepRecord) -> str:
    return str(step.output.get("intent") or "")[:63]
