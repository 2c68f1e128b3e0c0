from typing import Any

import pytest

from conversations.models import Task
from conversations.trigger_models import Schedule, ScheduleRun
from conversations.triggers.schedules import create_schedule
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import XSS, Desk, desk_of
from tests.cast import House, make_member

PAGE = "conversations_schedule_run_now"


def schedule_of(house: House, **values: Any) -> Schedule:
    given = {"name": "Cobranza", "cron": "0 9 * * MON", "message": f"Cobra {XSS}"} | values
    with tenant_scope(house.id):
        return create_schedule(tenant_id=house.id, values=given)


def runs_of(house: House) -> list[ScheduleRun]:
    with tenant_scope(house.id):
        return list(ScheduleRun.objects.select_related("task"))


@pytest.mark.parametrize("is_active", [True, False])
def test_a_press_posts_the_message_and_leaves_the_plan(acme: House, is_active: bool) -> None:
    schedule = schedule_of(acme, is_active=is_active)
    desk = desk_of(acme)
    page = desk.get(PAGE, schedule.pk).content.decode()
    assert "Its message is posted at once" in page
    assert "<script>alert" not in page
    assert runs_of(acme) == []
    done = [desk.post(PAGE, schedule.pk) for _ in range(2)]
    runs = runs_of(acme)
    assert [answer.status_code for answer in done] == [302, 302]
    assert {answer["Location"] for answer in done} == {
        f"/admin/conversations/task/{run.task_id}/change/" for run in runs
    }
    with tenant_scope(acme.id):
        assert Task.objects.filter(status="queued").count() == 2
        now = Schedule.objects.get(pk=schedule.pk)
    assert now.next_due_at == schedule.next_due_at
    assert now.last_fired_at is not None


def test_only_those_who_may_change_it_may_run_it(acme: House, rival: House) -> None:
    schedule = schedule_of(acme)
    viewer = Desk(make_member(acme.tenant, "eye", Membership.Role.VIEWER), acme.tenant)
    assert viewer.post(PAGE, schedule.pk).status_code == 403
    assert desk_of(rival).post(PAGE, schedule.pk).status_code in {302, 404}
    assert Desk(acme.owner, rival.tenant).post(PAGE, schedule.pk).status_code == 409
    assert runs_of(acme) == runs_of(rival) == []
