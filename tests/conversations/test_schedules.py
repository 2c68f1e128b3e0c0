import asyncio
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from conversations.models import Message, Session, Task
from conversations.services import close_session
from conversations.trigger_models import Schedule, ScheduleRun
from conversations.triggers import schedules
from conversations.triggers.retention import forget_old
from conversations.triggers.ticker import ScheduleTicker
from tenants.scope import scopes_disabled, tenant_scope
from tests.cast import House
from tests.conversations.triggers import make_schedule

pytestmark = pytest.mark.django_db(transaction=True)
A_MINUTE = timedelta(minutes=1)


def tick(times: int = 1) -> None:
    async def turn() -> None:
        ticker = ScheduleTicker()
        for _ in range(times):
            await ticker.run_once()

    asyncio.run(turn())


def rows(house: House, kind: Any) -> list[Any]:
    with tenant_scope(house.id):
        return list(kind.objects.order_by("pk"))


def make_due(schedule: Schedule) -> None:
    with scopes_disabled():
        Schedule.objects.filter(pk=schedule.pk).update(next_due_at=timezone.now() - A_MINUTE)


def test_what_is_due_is_posted_once_and_planned_anew(acme: House) -> None:
    agent = acme.agents["sales"].slug
    make_schedule(acme, due_ago=A_MINUTE, agent=agent, context={"branch": "centro"})
    tick(times=3)
    [message], [task] = rows(acme, Message), rows(acme, Task)
    [run], [schedule] = rows(acme, ScheduleRun), rows(acme, Schedule)
    assert message.content == "¿Qué vence hoy?"
    assert (task.agent_slug, task.context) == ("sales", {"branch": "centro"})
    assert (run.task_id, run.num_skipped, run.error_code) == (task.pk, 0, "")
    assert message.metadata["schedule_id"] == str(schedule.pk)
    assert schedule.next_due_at > timezone.now()
    assert schedule.last_fired_at is not None


def test_what_is_not_due_waits(acme: House) -> None:
    make_schedule(acme)
    tick()
    assert rows(acme, Task) == []


def test_due_times_missed_are_made_up_for_by_one_task(acme: House) -> None:
    make_schedule(acme, cron="* * * * *", due_ago=timedelta(minutes=30, seconds=10))
    tick(times=2)
    [run] = rows(acme, ScheduleRun)
    assert len(rows(acme, Task)) == 1
    # One more when the minute has just begun.
    assert run.num_skipped in {30, 31}
    assert timezone.now() - run.due_at < timedelta(seconds=90)


async def test_of_many_tickers_at_once_one_fires(acme: House) -> None:
    for number in range(5):
        await sync_to_async(make_schedule)(acme, due_ago=A_MINUTE, name=f"s{number}")
    await asyncio.gather(*(ScheduleTicker().run_once() for _ in range(6)))
    runs = await sync_to_async(rows)(acme, ScheduleRun)
    assert len(await sync_to_async(rows)(acme, Task)) == 5
    assert len({run.schedule_id for run in runs}) == len(runs) == 5


def test_a_due_time_that_was_taken_is_not_fired_again(acme: House) -> None:
    schedule = make_schedule(acme, due_ago=A_MINUTE)
    with tenant_scope(acme.id):
        ScheduleRun.objects.create(schedule=schedule, due_at=schedule.next_due_at)
    tick()
    assert rows(acme, Task) == []
    assert rows(acme, Schedule)[0].next_due_at > timezone.now()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_dies_before_the_commit_leaves_the_due_time_to_the_next(
    acme: House, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    make_schedule(acme, due_ago=A_MINUTE)
    post = schedules.post_message

    def die(**values: Any) -> None:
        if moment == "after":
            post(**values)
        raise Killed

    monkeypatch.setattr(schedules, "post_message", die)
    with pytest.raises(Killed):
        tick()
    assert (rows(acme, ScheduleRun), rows(acme, Task)) == ([], [])
    monkeypatch.undo()
    tick()
    assert len(rows(acme, ScheduleRun)) == len(rows(acme, Task)) == 1


def test_it_posts_into_its_own_session_until_that_is_closed(acme: House) -> None:
    schedule = make_schedule(acme, due_ago=A_MINUTE)
    tick()
    make_due(schedule)
    tick()
    [session] = rows(acme, Session)
    assert session.num_messages == 2
    with tenant_scope(acme.id):
        close_session(session_id=session.pk)
    make_due(schedule)
    tick()
    assert [s.num_messages for s in rows(acme, Session)] == [2, 1]
    assert rows(acme, Schedule)[0].session_id == rows(acme, Session)[1].pk


def test_a_session_that_is_used_up_is_followed_by_another(acme: House, settings: Any) -> None:
    settings.ORKESTA_MAX_REQUESTS_PER_SESSION = 1
    schedule = make_schedule(acme, due_ago=A_MINUTE)
    for _ in range(3):
        tick()
        make_due(schedule)
    assert [s.num_messages for s in rows(acme, Session)] == [1, 1, 1]


def test_a_refused_message_is_a_run_with_an_error(acme: House) -> None:
    make_schedule(acme, due_ago=A_MINUTE, agent="sales")
    with tenant_scope(acme.id):
        acme.agents["sales"].is_active = False
        acme.agents["sales"].save()
    tick(times=2)
    [run] = rows(acme, ScheduleRun)
    assert (run.error_code, run.task_id) == ("unknown_agent", None)
    assert rows(acme, Session) == []


def test_a_tier_that_includes_no_schedules_any_more_lets_none_fire(acme: House) -> None:
    make_schedule(acme, due_ago=A_MINUTE)
    acme.tenant.tier.features = ["batches"]
    acme.tenant.tier.save()
    tick()
    [run] = rows(acme, ScheduleRun)
    assert (run.error_code, rows(acme, Task)) == ("feature_not_included", [])


def test_neither_inactive_schedules_nor_inactive_tenants_fire(acme: House, rival: House) -> None:
    off = make_schedule(acme, due_ago=A_MINUTE)
    with scopes_disabled():
        Schedule.objects.filter(pk=off.pk).update(is_active=False)
    make_schedule(rival, due_ago=A_MINUTE)
    rival.tenant.is_active = False
    rival.tenant.save()
    tick()
    assert rows(acme, Task) == rows(rival, Task) == []


def test_each_tenants_schedule_posts_to_that_tenant(acme: House, rival: House) -> None:
    for house in (acme, rival):
        make_schedule(house, due_ago=A_MINUTE, message=f"for {house.tenant.slug}")
    tick()
    assert [m.content for m in rows(acme, Message)] == ["for acme"]
    assert [m.content for m in rows(rival, Message)] == ["for rival"]


def test_old_runs_are_forgotten(acme: House) -> None:
    make_schedule(acme, due_ago=A_MINUTE)
    tick()
    with scopes_disabled():
        ScheduleRun.objects.update(fired_at=timezone.now() - timedelta(days=91))
    assert forget_old() == 1
    assert len(rows(acme, Task)) == 1
