"""What was said under a prompt, for replaying it."""

from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from conversations.models import Message, Step, Task
from conversations.states import StepKind, TaskStatus
from conversations.triggers.doorbell import Doorbell
from orkesta.ids import first_uuid7
from prompts.past import PastTurn

#: There is a run to go on with.
drafts_waiting = Doorbell()
#: How far back messages are looked for: the first time in which there are enough.
PERIODS: Final = (timedelta(days=1), timedelta(days=30))


class PastTurns:
    """Where prompts ask for what their agents were asked (`prompts.past.Source`)."""

    def list_turns(self, prompt_id: UUID, limit: int) -> list[PastTurn]:
        """The last messages that were answered, or failed, under a version of the prompt, in 30
        days. Forks of a task asked the same again, and workflows have more than one agent: both
        are left out.
        """
        turns: list[PastTurn] = []
        # A busy prompt has enough of today's; looking at a month of it would take long.
        for period in PERIODS:
            turns = _turns_since(prompt_id, timezone.now() - period, limit)
            if len(turns) >= limit:
                break
        return turns

    def wake(self) -> None:
        drafts_waiting.ring_on_commit()


def _turns_since(prompt_id: UUID, since: datetime, limit: int) -> list[PastTurn]:
    told = Step.objects.filter(
        prompt_version__prompt=prompt_id, kind=StepKind.MODEL, task__gte=first_uuid7(since)
    )
    answers = Message.objects.filter(task=OuterRef("pk"), role=Message.Role.ASSISTANT)
    tasks = (
        Task.objects.filter(
            pk__in=told.order_by().values("task_id"),
            question__isnull=False,
            forked_from__isnull=True,
            parent__isnull=True,
            plan=[],
            status__in=(TaskStatus.COMPLETED, TaskStatus.FAILED),
        )
        .annotate(
            answer=Subquery(answers.values("content")[:1]),
            answered_by=Subquery(answers.values("agent_slug")[:1]),
        )
        .order_by("-id")
    )
    rows = tasks.select_related("session", "question").defer("plan", "session__summary")
    return [
        PastTurn(
            task.pk,
            task.session_id,
            task.question.content,
            task.question.created_at,
            task.answered_by or "",
            task.answer or "",
            context={**task.session.context, **task.context},
            user_name=task.session.user_name,
            task_type=task.task_type,
        )
        for task in cast("list[Any]", rows[:limit])
    ]
