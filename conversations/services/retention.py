"""How conversations end by themselves, and are forgotten: sessions expire, and are purged when the
tenant's tier keeps them no longer. All of it in small transactions, so that nobody waits for it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from conversations.event_log import Fact, Place, append
from conversations.models import Batch, Session, Task
from conversations.states import SESSION_MOVES, UNFINISHED, SessionStatus
from prompts.replay_models import PromptReplayMessage
from tenants.allowances import allowance_of
from tenants.history import forget_versions
from tenants.models import IdempotencyRecord
from tenants.scope import scopes_disabled

#: Sessions that are deleted in one transaction; each may have hundreds of rows.
PURGE_BATCH: Final = 20
#: What one look may do; the next one goes on.
EXPIRE_LIMIT: Final = 500
PURGE_LIMIT: Final = 1000


def find_ended_sessions(limit: int = EXPIRE_LIMIT) -> list[tuple[UUID, UUID]]:
    """Open sessions, of all tenants, whose time is over and who wait for no answer: tenant and
    session, the longest over first.
    """
    with scopes_disabled():
        return list(_ended().order_by("expires_at").values_list("tenant_id", "id")[:limit])


@transaction.atomic
def expire_session(session_id: UUID) -> bool:
    """Close a session whose time is over, and tell its watchers; False when somebody has spoken
    meanwhile, or closed it.
    """
    session = Session.objects.select_for_update().filter(pk=session_id).first()
    if session is None or not _ended().filter(pk=session_id).exists():
        return False
    if SessionStatus.EXPIRED not in SESSION_MOVES[SessionStatus(session.status)]:
        return False
    session.status, session.closed_at = SessionStatus.EXPIRED, timezone.now()
    session.save(update_fields=["status", "closed_at"])
    append(Place.of(session), [Fact("session.status_changed", {"status": SessionStatus.EXPIRED})])
    return True


def count_purgeable(tenant_id: UUID) -> int:
    """Sessions that `purge_sessions` would delete. Needs the tenant's scope."""
    return _too_old(tenant_id).count()


def purge_sessions(tenant_id: UUID, *, limit: int = PURGE_LIMIT) -> int:
    """Delete sessions that the tier keeps no longer, with their messages, tasks, steps and events;
    at most `limit`, the oldest first. Open ones and ones that wait for an answer stay. Gives how
    many were deleted. Needs the tenant's scope.
    """
    return sum(_purge_batches(tenant_id, limit))


def _purge_batches(tenant_id: UUID, limit: int) -> Iterator[int]:
    left = limit
    while left > 0:
        with transaction.atomic():
            rows = _too_old(tenant_id).order_by("last_activity_at").select_for_update(of=("self",))
            ids = list(rows.values_list("pk", flat=True)[: min(left, PURGE_BATCH)])
            if not ids:
                break
            Session.objects.filter(pk__in=ids).delete()
            PromptReplayMessage.objects.filter(session_id__in=ids).delete()
        left -= len(ids)
        yield len(ids)
    old = Batch.objects.filter(finished_at__lt=_kept_since(tenant_id))
    old.filter(~Exists(Task.objects.filter(batch_id=OuterRef("pk")))).delete()


def forget_history(tenant_id: UUID) -> int:
    """Delete the versions of configuration that the tier keeps no longer; how many. How a row is
    now stays. Needs the tenant's scope.
    """
    return forget_versions(_kept_since(tenant_id))


def forget_answers() -> int:
    """Delete the answers that were kept for repeated requests and are not promised any more, of all
    tenants; how many.
    """
    with scopes_disabled():
        return IdempotencyRecord.objects.filter(expires_at__lt=Now()).delete()[0]


def _ended() -> QuerySet[Session]:
    return _idle().filter(status=SessionStatus.OPEN, expires_at__lte=Now())


def _too_old(tenant_id: UUID) -> QuerySet[Session]:
    return (
        _idle()
        .filter(last_activity_at__lt=_kept_since(tenant_id))
        .exclude(status=SessionStatus.OPEN)
    )


def _kept_since(tenant_id: UUID) -> datetime:
    return timezone.now() - timedelta(days=allowance_of(tenant_id).retention_days)


def _idle() -> QuerySet[Session]:
    """Sessions of which no task is at work, or waits for anybody."""
    unfinished = Task.objects.filter(session_id=OuterRef("pk"), status__in=sorted(UNFINISHED))
    return Session.objects.filter(~Exists(unfinished))
