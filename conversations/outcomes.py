"""How tasks went that were run under a version of a prompt."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q

from conversations.feedback_models import Feedback
from conversations.models import Step
from conversations.states import StepKind, StepStatus, TaskStatus
from prompts.outcomes import VersionOutcomes

_NAMES: Final = tuple(field.name for field in fields(VersionOutcomes))


def outcomes_of(version_ids: Sequence[UUID], since: datetime) -> Mapping[UUID, VersionOutcomes]:
    """What became of the tasks of each version since then. Needs the tenant's scope."""
    taken_up = Step.objects.filter(
        task=OuterRef("task"),
        kind__in=(StepKind.HUMAN, StepKind.HANDOFF),
        number__gt=OuterRef("number"),
    )
    ended = Q(task__status__in=(TaskStatus.COMPLETED, TaskStatus.FAILED))
    # Also when somebody else answered in its stead.
    failed = Q(task__status=TaskStatus.FAILED) | Q(status=StepStatus.FAILED)
    tasks = (
        Step.objects.filter(ended, prompt_version__in=version_ids, started_at__gte=since)
        .values("prompt_version_id")
        .annotate(
            num_tasks=Count("task", distinct=True),
            num_failed=Count("task", distinct=True, filter=failed),
            num_handed_over=Count("task", distinct=True, filter=Exists(taken_up)),
        )
    )
    opinions = (
        Feedback.objects.filter(prompt_version__in=version_ids, created_at__gte=since)
        .values("prompt_version_id")
        .annotate(
            num_up=Count("id", filter=Q(rating=Feedback.Rating.UP)),
            num_down=Count("id", filter=Q(rating=Feedback.Rating.DOWN)),
        )
    )
    counts: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for row in (*tasks, *opinions):
        counts[row["prompt_version_id"]] |= row
    return {
        version_id: VersionOutcomes(**{name: row.get(name, 0) for name in _NAMES})
        for version_id, row in counts.items()
    }
