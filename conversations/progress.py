"""How far a task has come. Pure."""

from dataclasses import dataclass
from typing import Final

from conversations.models import Task
from conversations.states import TaskStatus

#: A turn takes at least a decision and an answer; a workflow, an answer for each part.
DECISIONS: Final = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """`current` steps are recorded of `total`, an estimate that may grow until the task ends."""

    current: int
    total: int

    @property
    def fraction(self) -> float:
        """From 0 to 1; 1 only when nothing is left to do."""
        return round(self.current / self.total, 4) if self.total else 1.0


def progress_of(task: Task) -> Progress:
    done = task.num_steps
    if task.status == TaskStatus.COMPLETED:
        return Progress(done, done)
    # Whatever has not ended has at least one more step ahead of it.
    ahead = 0 if task.is_terminal else 1
    return Progress(done, max(DECISIONS + (len(task.plan) or 1), done + ahead))
