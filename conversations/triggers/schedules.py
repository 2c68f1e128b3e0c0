"""Schedules: planned when they are saved, fired when they are due, once however many look.

Times are the database's clock, so that machines whose clocks differ agree on what is due.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from conversations.errors import SessionExhausted, SessionNotFound, SessionNotOpen
from conversations.models import Session
from conversations.services import PostedMessage, post_message
from conversations.trigger_models import Schedule, ScheduleRun
from conversations.triggers.cron import Due, latest_due, next_due
from conversations.triggers.errors import ScheduleNotFound
from conversations.triggers.rows import fill
from orkesta.errors import OrkestaError
from orkesta.failpoints import Failpoint, failpoint
from tenants.allowances import Feature, allowance_of
from tenants.audit import record, record_change, record_new, values_of
from tenants.audit_models import AuditAction
from tenants.models import Tenant
from tenants.principals import Principal, Scope
from tenants.scope import scopes_disabled
from tenants.selectors import get_tenant

logger = logging.getLogger(__name__)

#: Due schedules that one look takes up.
BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule that was due at a look; somebody else may have fired it since."""

    schedule_id: UUID
    tenant_id: UUID


@transaction.atomic
def create_schedule(*, tenant_id: UUID, values: Mapping[str, Any]) -> Schedule:
    """A new schedule, planned; the time zone is the tenant's unless `values` has one. `agent` is a
    slug. Raises ValidationError, UnknownAgent.
    """
    schedule = Schedule(tenant_id=tenant_id)
    fill(schedule, values)
    schedule.time_zone = schedule.time_zone or get_tenant(tenant_id).time_zone
    schedule.full_clean()
    plan(schedule)
    schedule.save()
    record_new(schedule)
    return schedule


@transaction.atomic
def edit_schedule(*, schedule_id: UUID, changes: Mapping[str, Any]) -> Schedule:
    """Change and plan anew. Raises ScheduleNotFound, ValidationError, UnknownAgent."""
    schedule = Schedule.objects.select_for_update().filter(pk=schedule_id).first()
    if schedule is None:
        raise ScheduleNotFound
    before = values_of(schedule)
    changed = fill(schedule, changes)
    schedule.full_clean()
    plan(schedule)
    schedule.save(update_fields=[*changed, "next_due_at"])
    record_change(schedule, before)
    return schedule


@transaction.atomic
def delete_schedule(*, schedule_id: UUID) -> None:
    """Delete it with its runs; what it posted stays. Raises ScheduleNotFound."""
    schedule = Schedule.objects.select_for_update().filter(pk=schedule_id).first()
    if schedule is None:
        raise ScheduleNotFound
    record(AuditAction.DELETED, schedule)
    schedule.delete()


def plan(schedule: Schedule) -> None:
    """Set when the schedule, which the caller saves, is due next; an inactive one never is.

    Due times that it missed while it was inactive, or under its former plan, are not made up for.
    """
    schedule.next_due_at = (
        next_due(schedule.cron, schedule.time_zone, after=timezone.now())
        if schedule.is_active
        else None
    )


def find_due() -> list[DueSchedule]:
    """Schedules that are due now, the longest waiting first, of all tenants that are active."""
    with scopes_disabled():
        rows = Schedule.objects.filter(
            is_active=True, next_due_at__lte=Now(), tenant__is_active=True
        )
        found = rows.order_by("next_due_at").values_list("pk", "tenant_id")[:BATCH]
        return [DueSchedule(schedule_id, tenant_id) for schedule_id, tenant_id in found]


@transaction.atomic
def fire(schedule_id: UUID) -> ScheduleRun | None:
    """Post the message of the schedule's latest due time; None when that has been done, or when
    somebody else is about to. Needs the tenant's scope.

    1. lock the schedule, 2. take the due time by inserting its run, 3. post, 4. plan the next: all
    of it or, when the process dies, nothing. A message that is refused is a run with an error.
    """
    now = _database_now()
    rows = Schedule.objects.filter(pk=schedule_id, is_active=True, next_due_at__lte=now)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    schedule = rows.select_related("agent", "session", "tenant").first()
    if schedule is None or schedule.next_due_at is None:
        return None
    due = latest_due(schedule.cron, schedule.time_zone, first=schedule.next_due_at, now=now)
    run, is_new = ScheduleRun.objects.get_or_create(
        schedule=schedule,
        due_at=due.at,
        defaults={"fired_at": now, "num_skipped": due.num_skipped},
    )
    if is_new:
        _launch(schedule, run, due)
        schedule.last_fired_at = now
    schedule.next_due_at = next_due(schedule.cron, schedule.time_zone, after=max(due.at, now))
    schedule.save(update_fields=["session", "last_fired_at", "next_due_at"])
    failpoint(Failpoint.DUE_TIME_TAKEN)
    return run if is_new else None


@transaction.atomic
def fire_now(schedule_id: UUID) -> ScheduleRun:
    """Post the message of a schedule at once, whatever its plan says, which stays as it is; also of
    one that is inactive. Needs the tenant's scope. Raises ScheduleNotFound. A message that is
    refused is a run with an error.
    """
    rows = Schedule.objects.select_for_update(of=("self",))
    schedule = rows.select_related("agent", "session", "tenant").filter(pk=schedule_id).first()
    if schedule is None:
        raise ScheduleNotFound
    now = _database_now()
    run = ScheduleRun.objects.create(schedule=schedule, due_at=now, fired_at=now)
    _launch(schedule, run, Due(now, 0))
    schedule.last_fired_at = now
    schedule.save(update_fields=["session", "last_fired_at"])
    return run


def _launch(schedule: Schedule, run: ScheduleRun, due: Due) -> None:
    try:
        allowance_of(schedule.tenant_id).require(Feature.SCHEDULES)
        posted = _post(schedule, due)
    except OrkestaError as exc:
        logger.warning("schedule %s could not post: %s", schedule.pk, exc.message)
        run.error_code = exc.code
    else:
        run.task, schedule.session_id = posted.task, posted.session_id
    run.save(update_fields=["task", "error_code"])


def _post(schedule: Schedule, due: Due) -> PostedMessage:
    """Into the schedule's own session while that takes messages; else into a new one."""
    session = schedule.session
    if session is not None:
        try:
            return _post_into(schedule, due, session)
        except (SessionNotOpen, SessionExhausted, SessionNotFound):
            logger.info("schedule %s begins a new session", schedule.pk)
    return _post_into(schedule, due, None)


def _post_into(schedule: Schedule, due: Due, session: Session | None) -> PostedMessage:
    return post_message(
        principal=_principal(schedule.tenant, schedule),
        message=schedule.message,
        session_id=session.pk if session else None,
        agent=schedule.agent.slug if schedule.agent else "",
        context=schedule.context,
        user_ref=f"schedule:{schedule.pk}",
        user_name=schedule.name,
        metadata={"schedule_id": str(schedule.pk), "due_at": due.at.isoformat()},
    )


def _principal(tenant: Tenant, schedule: Schedule) -> Principal:
    return Principal(
        tenant_id=tenant.pk,
        tenant_slug=tenant.slug,
        key_id=None,
        key_name=f"schedule {schedule.name}",
        scopes=frozenset({Scope.CHAT_WRITE}),
    )


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT statement_timestamp()")
            return cursor.fetchone()[0].astimezone(UTC)  # type: ignore[no-any-return]
        # SQLite is one machine: its clock is ours.
        return timezone.now()
