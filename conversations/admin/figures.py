"""The figures of the dashboard. Each function is one query, whatever the size of the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from conversations.models import Message, Session, Task
from conversations.selectors import list_tasks
from conversations.services.budget import list_paused_by_budget
from conversations.states import TaskStatus
from orkesta.ids import first_uuid7
from prompts.models import PromptVersion
from prompts.selectors import list_unpublished_drafts
from routing.models import Agent, LLMEndpoint
from tenants.models import ApiKey, Tenant
from tenants.usage.report import GroupBy, read_usage
from tenants.usage.totals import read_spent
from tenants.usage_models import CallKind

CHART_DAYS: Final = 14
AGENT_DAYS: Final = 7
TRACKED_TASKS: Final = 60
EXPIRY_WARNING: Final = timedelta(days=14)
#: The 95th percentile is taken of at most so many tasks, the newest of today.
SAMPLED_TASKS: Final = 2000


def midnight(days_ago: int = 0) -> datetime:
    """The beginning of a day in the tenant's time zone."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


@dataclass(frozen=True, slots=True)
class Counts:
    sessions: int
    waiting: int
    drafts: int
    expiring_keys: int
    without_budget: int


def read_counts(tenant: Tenant) -> Counts:
    """What is a plain number, all in one query."""
    soon = timezone.now() + EXPIRY_WARNING
    row = (
        Tenant.objects.filter(pk=tenant.pk)
        .annotate(
            sessions=_number(Session.objects.filter(last_activity_at__gte=midnight())),
            waiting=_number(Task.objects.filter(status=TaskStatus.INPUT_REQUIRED)),
            drafts=_number(list_unpublished_drafts()),
            keys=_number(
                ApiKey.objects.filter(
                    revoked_at=None, expires_at__gt=timezone.now(), expires_at__lt=soon
                )
            ),
            without_budget=_number(list_paused_by_budget()),
        )
        .values_list("sessions", "waiting", "drafts", "keys", "without_budget")
        .get()
    )
    return Counts(*row)


def _number(rows: QuerySet[Any]) -> Coalesce:
    counted = rows.order_by().values("tenant").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)


@dataclass(frozen=True, slots=True)
class Day:
    """The tasks made on one day."""

    label: str
    tasks: int
    failed: int


def read_days() -> list[Day]:
    """The last fortnight, day by day, today last."""
    starts = [midnight(days) for days in range(CHART_DAYS - 1, -1, -1)]
    # A sum per day and not a grouping by date, which SQLite would do by calling Python per row.
    sums = {}
    for number, start in enumerate(starts):
        day = Q(created_at__gte=start, created_at__lt=start + timedelta(days=1))
        sums[f"tasks_{number}"] = Count("pk", filter=day)
        sums[f"failed_{number}"] = Count("pk", filter=day & Q(status=TaskStatus.FAILED))
    found = _tasks_since(starts[0]).aggregate(**sums)
    return [
        Day(f"{start:%d/%m}", found[f"tasks_{number}"], found[f"failed_{number}"])
        for number, start in enumerate(starts)
    ]


def read_tokens_today() -> int:
    today = timezone.localdate()
    return read_spent(today, today).tokens


def read_p95_today() -> timedelta | None:
    """The time within which 95 of 100 of today's tasks were done; None before the first."""
    rows = _tasks_since(midnight()).filter(status=TaskStatus.COMPLETED)
    spans = rows.annotate(span=F("finished_at") - F("started_at")).order_by("-id")
    found = sorted(span for span in spans.values_list("span", flat=True)[:SAMPLED_TASKS] if span)
    return found[max(0, -(-len(found) * 95 // 100) - 1)] if found else None


def read_last_tasks() -> list[Any]:
    """The newest tasks, newest first, with their sessions and who answered."""
    answers = Message.objects.filter(task=OuterRef("pk"), role=Message.Role.ASSISTANT)
    rows = list_tasks().select_related("session").order_by("-id")
    return list(
        rows.annotate(answered_by=Subquery(answers.values("agent_slug")[:1]))[:TRACKED_TASKS]
    )


@dataclass(frozen=True, slots=True)
class AgentWork:
    """What one agent did in the last week."""

    slug: str
    calls: int
    milliseconds: float
    tokens: int


def read_agent_work() -> list[AgentWork]:
    """Who asked LLMs how often, busiest first."""
    today = timezone.localdate()
    since = today - timedelta(days=AGENT_DAYS - 1)
    lines = read_usage(GroupBy.AGENT, since, today, kind=CallKind.LLM)
    work = [
        AgentWork(line.group, line.calls, line.duration_ms / max(line.calls, 1), line.tokens)
        for line in lines
        if line.group
    ]
    return sorted(work, key=lambda row: -row.calls)


def read_agents() -> Sequence[Any]:
    """All agents, each with `is_told` (its prompt is published) and `has_default_endpoint`."""
    published = PromptVersion.objects.filter(
        prompt=OuterRef("prompt"), status=PromptVersion.Status.PUBLISHED
    )
    default = LLMEndpoint.objects.filter(is_default=True, is_active=True)
    return list(
        Agent.objects.annotate(is_told=Exists(published), has_default_endpoint=Exists(default))
    )


def _tasks_since(since: datetime) -> QuerySet[Task]:
    # The id says when a row was made, and is indexed; the time itself is not.
    # Branches are how a task is done.
    return Task.objects.filter(id__gte=first_uuid7(since), created_at__gte=since, parent=None)
