"""Branches of a workflow as people see them: beside each other, each with what it has come to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Prefetch
from django.urls import reverse

from conversations.admin.shown import TASK_LABELS, duration
from conversations.admin.transcript import agent_names
from conversations.models import Step, Task
from conversations.plan import has_branches

#: More than a card has room for is on the task's own page.
MAX_SHOWN_CHARS: Final = 600


@dataclass(frozen=True, slots=True)
class Lane:
    """One branch. `text` is what it found, or why it did not; `steps` are (words, took)."""

    task: Task
    href: str
    agent_name: str
    instruction: str
    label: str
    took: str
    text: str
    steps: Sequence[tuple[str, str]] = ()

    tokens: int = 0

    @property
    def mark(self) -> str:
        return f"{self.task.status}{self.task.num_steps}"


def read_lanes(tasks: Iterable[Task]) -> dict[UUID, list[Lane]]:
    """The branches of each of the tasks that has any, in the order of its plan; three queries at
    most, and none when nobody has any.
    """
    parents = [task.pk for task in tasks if has_branches(task.plan)]
    if not parents:
        return {}
    steps = Step.objects.defer("input", "output").order_by("number")
    rows = Task.objects.filter(parent__in=parents).order_by("seq")
    branches = list(rows.prefetch_related(Prefetch("steps", steps)))
    names = agent_names({branch.agent_slug for branch in branches})
    lanes: dict[UUID, list[Lane]] = {}
    for branch in branches:
        if branch.parent_id is not None:
            lanes.setdefault(branch.parent_id, []).append(_lane(branch, names))
    return lanes


def _lane(branch: Task, names: Mapping[str, str]) -> Lane:
    begin, end = branch.started_at, branch.finished_at
    why = f"{branch.error_code}: {branch.error_detail}" if branch.error_code else ""
    return Lane(
        task=branch,
        href=reverse("admin:conversations_task_change", args=[branch.pk]),
        agent_name=names.get(branch.agent_slug, branch.agent_slug),
        instruction=str(branch.plan[0]["instruction"]),
        label=TASK_LABELS[branch.status],
        took=duration(end - begin if begin and end else None),
        text=(branch.finding or why)[:MAX_SHOWN_CHARS],
        steps=[
            (step.get_kind_display(), duration(step.duration_ms)) for step in branch.steps.all()
        ],
        tokens=sum(step.input_tokens + step.output_tokens for step in branch.steps.all()),
    )
