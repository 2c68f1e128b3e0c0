from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.models import Batch, Event, Message, Session, Step, Task
from conversations.services import retention
from conversations.services.retention import (
    expire_session,
    find_ended_sessions,
    forget_answers,
    purge_sessions,
)
from conversations.triggers import ticker
from conversations.triggers.ticker import ScheduleTicker
from tenants.models import IdempotencyRecord, Tier
from tenants.scope import scopes_disabled, tenant_scope
from tests.cast import House
from tests.engine import post

AGO = timedelta(days=366)


def old_session(house: House, *, status: str = "closed", task: str = "completed") -> Session:
    """A session with one turn, of a time before retention."""
    posted = post(house, "hola")
    then = timezone.now() - AGO
    with tenant_scope(house.id):
        Task.objects.filter(pk=posted.task.id).update(status=task)
        Step.objects.create(task=posted.task, number=1, kind="model", attempt=1)
        Session.objects.filter(pk=posted.session_id).update(
            status=status, last_activity_at=then, expires_at=then
        )
        return Session.objects.get(pk=posted.session_id)


def say(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def rows() -> list[int]:
    with scopes_disabled():
        return [kind.objects.count() for kind in (Session, Task, Step, Message, Event)]


def test_a_session_whose_time_is_over_expires_and_says_so(acme: House, rival: House) -> None:
    ended, other = old_session(acme, status="open"), old_session(rival, status="open")
    post(acme, "still open")
    assert find_ended_sessions() == [(acme.id, ended.id), (rival.id, other.id)]
    assert say("expire_sessions") == "2 sessions expired\n"
    with tenant_scope(acme.id):
        ended.refresh_from_db()
        event = Event.objects.filter(session=ended).latest("seq")
    assert (ended.status, ended.closed_at is not None) == ("expired", True)
    assert (event.type, event.data) == ("session.status_changed", {"status": "expired"})
    assert say("expire_sessions") == "0 sessions expired\n"


@pytest.mark.parametrize("task", ["queued", "processing", "paused", "input_required"])
def test_a_session_that_waits_for_an_answer_does_not_end(acme: House, task: str) -> None:
    session = old_session(acme, status="open", task=task)
    assert find_ended_sessions() == []
    with tenant_scope(acme.id):
        assert not expire_session(session.id)
        Session.objects.update(status="closed")
        assert purge_sessions(acme.id) == 0


def test_somebody_who_speaks_meanwhile_keeps_the_session(acme: House) -> None:
    session = old_session(acme, status="open")
    with tenant_scope(acme.id):
        Session.objects.update(expires_at=timezone.now() + AGO)
        assert not expire_session(session.id)
        Session.objects.update(status="closed")
        assert not expire_session(session.id)


def test_purging_takes_all_of_an_old_conversation_and_nothing_else(
    acme: House, rival: House
) -> None:
    post(acme, "of today")
    kept = rows()
    old_session(acme)
    old_session(acme, status="expired")
    old_session(rival)
    assert say("purge", "--tenant", "acme", "--dry-run") == "acme: 2 sessions to delete\n"
    assert say("purge", "--tenant", "acme") == "acme: 2 sessions deleted\n"
    with tenant_scope(rival.id):
        assert Session.objects.count() == 1
    assert "rival: 1 sessions deleted" in say("purge", "--all")
    assert rows() == kept


def test_open_sessions_stay_however_old(acme: House) -> None:
    old_session(acme, status="open")
    assert say("purge", "--tenant", "acme") == "acme: 0 sessions deleted\n"


def test_the_tier_says_for_how_long(acme: House) -> None:
    old_session(acme)
    for tier in Tier.objects.all():
        tier.retention_days = 400
        tier.save()
    assert say("purge", "--tenant", "acme") == "acme: 0 sessions deleted\n"


def test_it_goes_in_small_steps_and_no_further_than_it_is_told(
    acme: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PURGE_BATCH", 2)
    for _ in range(5):
        old_session(acme)
    with tenant_scope(acme.id):
        assert [purge_sessions(acme.id, limit=3), purge_sessions(acme.id)] == [3, 2]


def test_batches_go_with_their_last_task(acme: House) -> None:
    with tenant_scope(acme.id):
        long_ago = {"num_requests": 1, "num_unfinished": 0, "finished_at": timezone.now() - AGO}
        Batch.objects.create(**long_ago)
        busy = Batch.objects.create(**long_ago)
        Batch.objects.create(num_requests=1, num_unfinished=1)
        posted = post(acme, "hola")
        Task.objects.filter(pk=posted.task.id).update(batch=busy)
        purge_sessions(acme.id)
        assert Batch.objects.count() == 2


def answer_kept(house: House, key: str, *, until: timedelta) -> None:
    with tenant_scope(house.id):
        IdempotencyRecord.objects.create(
            key=key, fingerprint="x", expires_at=timezone.now() + until
        )


def test_answers_are_kept_as_long_as_promised(acme: House, rival: House) -> None:
    answer_kept(acme, "old", until=-timedelta(seconds=1))
    answer_kept(rival, "old", until=-timedelta(days=1))
    answer_kept(acme, "new", until=timedelta(hours=1))
    assert forget_answers() == 2
    with scopes_disabled():
        assert [record.key for record in IdempotencyRecord.objects.all()] == ["new"]


def test_an_unknown_tenant_is_an_error(db: None) -> None:
    with pytest.raises(CommandError, match="no tenant"):
        say("purge", "--tenant", "nobody")


@pytest.fixture
def impatient(monkeypatch: Any) -> None:
    monkeypatch.setattr(ticker, "FORGET_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(ticker, "JUDGE_EVERY_SECONDS", 0.0)


@pytest.fixture
def forgotten(transactional_db: None, acme: House) -> House:
    old_session(acme)
    old_session(acme, status="open")
    return acme


async def test_it_happens_by_itself(forgotten: House, impatient: None) -> None:
    await ScheduleTicker().run_once()
    assert (await sync_to_async(rows)())[0] == 0
