"""Whether somebody works: judged by the tasks, which all workers of all machines share."""

from datetime import datetime, timedelta
from typing import Final, cast

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Exists, Min
from django.utils import timezone

from conversations.engine.claims import in_its_way
from conversations.models import Task
from conversations.states import TaskStatus
from orkesta.health import Health, State
from tenants.scope import scopes_disabled

#: A task that nobody took up for so long means that no worker runs, or too few do.
LONGEST_WAIT: Final = timedelta(seconds=30)


def worker() -> Health:
    """Degraded while a task waits too long: one that is due, or one whose worker has died."""
    now = timezone.now()
    try:
        with scopes_disabled():
            since = [at for at in (oldest_waiting(now), _oldest_abandoned(now)) if at is not None]
    except (DatabaseError, InterfaceError):
        return Health(State.DEGRADED)
    waited = max(timedelta(0), now - min(since, default=now))
    state = State.DEGRADED if waited > LONGEST_WAIT else State.OK
    return Health(state, {"oldest_waiting_seconds": round(waited.total_seconds(), 1)})


def oldest_waiting(now: datetime) -> datetime | None:
    """Since when the first task is due that could begin; those behind another of their session
    wait by design.
    """
    due = Task.objects.filter(status=TaskStatus.QUEUED, available_at__lte=now)
    found = due.exclude(Exists(in_its_way())).aggregate(at=Min("available_at"))
    return cast("datetime | None", found["at"])


def _oldest_abandoned(now: datetime) -> datetime | None:
    grace = timedelta(seconds=settings.ORKESTA_LEASE_SECONDS)
    rows = Task.objects.filter(status=TaskStatus.PROCESSING, lease_until__lt=now - grace)
    return cast("datetime | None", rows.aggregate(at=Min("lease_until"))["at"])
