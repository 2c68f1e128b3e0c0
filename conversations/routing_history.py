"""The messages of a tenant as they were routed, for replaying them on other rules."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Substr

from conversations.models import Step, Task
from conversations.states import StepKind, StepStatus
from routing.replay import PastMessage
from routing.rules import Near, SessionState
from routing.rules.values import MAX_TEXT_CHARS
from routing.supervisor import CONFIDENCE_TO_FOLLOW

NUM_REPLAYED: Final = 200


def list_past_messages(limit: int = NUM_REPLAYED) -> list[PastMessage]:
    """The last messages that were routed, newest first. Two queries, whatever there is."""
    tasks = (
        Task.objects.filter(question__isnull=False, parent=None)
        .order_by("-id")
        .values_list(
            "id",
            "session_id",
            Substr("question__content", 1, MAX_TEXT_CHARS),
            "question__created_at",
            "context",
            "session__context",
            "agent_slug",
        )[:limit]
    )
    rows = list(tasks)
    routes = _routes([row[0] for row in rows])
    return [_past(row, routes[row[0]]) for row in rows if row[0] in routes]


def _routes(task_ids: list[UUID]) -> dict[UUID, Step]:
    steps = Step.objects.filter(
        task_id__in=task_ids, kind=StepKind.ROUTE, status=StepStatus.SUCCEEDED
    ).only("task_id", "agent_slug", "input", "output")
    return {step.task_id: step for step in steps}


def _past(row: tuple[Any, ...], route: Step) -> PastMessage:
    task_id, session_id, text, at, context, of_session, asked_for = row
    source = str(route.output.get("source", ""))
    return PastMessage(
        task_id=task_id,
        session_id=session_id,
        text=text,
        at=at,
        context={**of_session, **context},
        session=_state(route.input),
        asked_for=asked_for if source == "asked_for" else "",
        source=source,
        agent_slug=route.agent_slug,
        llm_intent=_llm_intent(route.output),
        meanings=_meanings(route.output),
    )


def _state(told: Mapping[str, Any]) -> SessionState:
    """What the route step says the session had come to; older steps tell of the agent alone."""
    state = told.get("session") or {}
    return SessionState(
        num_turns=int(state.get("num_turns", 0)),
        active_agent=str(told.get("active_agent") or ""),
        idle_seconds=state.get("idle_seconds"),
        last_intent=str(state.get("last_intent", "")),
    )


def _llm_intent(output: Mapping[str, Any]) -> str:
    answer = (output.get("trace") or {}).get("answer") or {}
    is_sure = answer.get("confidence", 0) >= CONFIDENCE_TO_FOLLOW
    return str(answer.get("intent", "")) if is_sure else ""


def _meanings(output: Mapping[str, Any]) -> dict[str, Near]:
    meaning = (output.get("trace") or {}).get("meaning") or {}
    return {one["rule"]: Near(one["score"], one["example"]) for one in meaning.get("near", ())}
