"""A session as people read it: bubbles, and under each answer who gave it and what it took."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import F, Sum

from conversations.admin.shown import duration, moment
from conversations.input_models import InputRequest
from conversations.models import Message, Session, Step, Task
from conversations.selectors import list_messages
from conversations.states import TaskStatus
from routing.models import Agent

#: A page of the transcript; older messages are one link away.
PAGE_MESSAGES: Final = 100


@dataclass(frozen=True, slots=True)
class Work:
    """What a task took, summed over its steps."""

    tokens: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Bubble:
    """A message as it is shown. `work` stands under answers; `task` also where none came."""

    message: Message
    agent_name: str
    work: Work | None
    task: Task | None
    #: What the task asked people, under the message that set it going.
    requests: Sequence[InputRequest] = ()

    @property
    def shown_at(self) -> str:
        return moment(self.message.created_at)

    @property
    def shown_took(self) -> str:
        return duration(self.work.milliseconds) if self.work else ""

    @property
    def is_customer(self) -> bool:
        return self.message.role == Message.Role.USER

    @property
    def is_answer(self) -> bool:
        return self.message.role == Message.Role.ASSISTANT

    @property
    def failed(self) -> bool:
        """A customer's message whose task came to nothing, so that no answer follows."""
        return (
            self.is_customer
            and self.task is not None
            and self.task.status in {TaskStatus.FAILED, TaskStatus.CANCELLED}
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    bubbles: Sequence[Bubble]
    #: Number before which older messages exist; None at the beginning of the session.
    older_than: int | None


def read_transcript(session: Session, *, before: int | None = None) -> Transcript:
    """The newest messages, or those numbered below `before`, oldest first. Six queries."""
    rows = list_messages(session.pk).select_related("task").order_by("-seq")
    if before is not None:
        rows = rows.filter(seq__lt=before)
    found = list(rows[: PAGE_MESSAGES + 1])
    page = found[:PAGE_MESSAGES][::-1]
    task_ids = {message.task_id for message in page if message.task_id}
    works, requests = _works(task_ids), _requests(task_ids)
    names = agent_names({message.agent_slug for message in page})
    bubbles = [
        Bubble(
            message=message,
            agent_name=names.get(message.agent_slug, message.agent_slug),
            work=works.get(message.task_id) if message.role == Message.Role.ASSISTANT else None,
            task=message.task,
            requests=requests.get(message.pk, ()),
        )
        for message in page
    ]
    return Transcript(bubbles, page[0].seq if len(found) > PAGE_MESSAGES else None)


def agent_names(slugs: set[str]) -> Mapping[str, str]:
    """Names of agents by slug; an agent that was deleted since keeps only its slug."""
    rows = Agent.objects.filter(slug__in=slugs - {""})
    return dict(rows.values_list("slug", "name"))


def _requests(task_ids: set[UUID]) -> dict[UUID, list[InputRequest]]:
    """What tasks asked people, by the message that set the task going."""
    found: dict[UUID, list[InputRequest]] = defaultdict(list)
    rows = InputRequest.objects.filter(task_id__in=task_ids, task__question__isnull=False)
    for row in rows.annotate(question_id=F("task__question_id")).order_by("id"):
        found[row.question_id].append(row)
    return found


def _works(task_ids: set[UUID]) -> dict[UUID | None, Work]:
    rows = (
        Step.objects.filter(task_id__in=task_ids)
        .order_by()
        .values("task_id")
        .annotate(
            tokens=Sum("input_tokens") + Sum("output_tokens"), milliseconds=Sum("duration_ms")
        )
    )
    return {row["task_id"]: Work(row["tokens"], row["milliseconds"]) for row in rows}
