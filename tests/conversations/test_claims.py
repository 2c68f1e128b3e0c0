from datetime import timedelta

import pytest
import time_machine
from django.db.models import F
from django.utils import timezone

from conversations.engine import claims, store
from conversations.engine.actions import Finish
from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.engine.state import StepRecord
from conversations.errors import LeaseLost
from conversations.models import Message, Step, Task
from conversations.states import StepKind, StepStatus, TaskStatus, Wanted
from tenants.scope import scopes_disabled, tenant_scope
from tests.cast import House
from tests.engine import Story, post

pytestmark = pytest.mark.django_db


def claim_one(worker: str = "one") -> Claim:
    [claim] = claims.claim_tasks(worker=worker, limit=10)
    return claim


def expire() -> None:
    with scopes_disabled():
        Task.objects.update(lease_until=F("lease_until") - timedelta(minutes=1))


def said(number: int, text: str = "ok") -> StepRecord:
    return StepRecord(number, StepKind.MODEL, StepStatus.SUCCEEDED, "desk", output={"text": text})


def test_it_gives_a_task_to_one_worker_only(acme: House) -> None:
    post(acme, "hola")
    assert len(claims.claim_tasks(worker="one", limit=10)) == 1
    assert claims.claim_tasks(worker="two", limit=10) == []


def test_it_claims_at_most_as_many_as_asked(acme: House) -> None:
    for _ in range(5):
        post(acme, "hola")
    assert len(claims.claim_tasks(worker="one", limit=3)) == 3


def test_it_claims_the_urgent_first_and_then_the_oldest(acme: House) -> None:
    posted = [post(acme, f"hola {i}") for i in range(3)]
    with scopes_disabled():
        Task.objects.filter(pk=posted[2].task.pk).update(priority=9)
    order = [claims.claim_tasks(worker="one", limit=1)[0].task_id for _ in range(3)]
    assert order == [posted[2].task.id, posted[0].task.id, posted[1].task.id]


def test_it_finds_a_task_in_the_very_moment_it_was_posted(acme: House) -> None:
    for _ in range(20):
        posted = post(acme, "hola")
        assert [c.task_id for c in claims.claim_tasks(worker="one", limit=1)] == [posted.task.id]


def test_it_leaves_a_task_alone_until_it_is_available(acme: House) -> None:
    posted = post(acme, "hola")
    with scopes_disabled():
        Task.objects.filter(pk=posted.task.pk).update(
            available_at=timezone.now() + timedelta(hours=1)
        )
    assert claims.claim_tasks(worker="one", limit=10) == []


def test_it_holds_back_a_task_while_an_earlier_one_of_its_session_is_unfinished(
    acme: House,
) -> None:
    first = post(acme, "uno")
    post(acme, "dos", first.session_id)
    claim = claim_one()
    assert claim.task_id == first.task.id
    assert claims.claim_tasks(worker="two", limit=10) == []
    with tenant_scope(acme.id):
        store.settle(claim, Outcome(TaskStatus.COMPLETED))
    assert len(claims.claim_tasks(worker="two", limit=10)) == 1


def test_it_gives_an_abandoned_task_to_another_worker(acme: House) -> None:
    post(acme, "hola")
    first = claim_one("one")
    expire()
    second = claim_one("two")
    assert (second.task_id, second.attempt) == (first.task_id, first.attempt + 1)


def test_it_refuses_every_write_of_a_worker_that_lost_its_lease(acme: House) -> None:
    posted = post(acme, "hola")
    late = claim_one("one")
    expire()
    claim_one("two")
    with tenant_scope(acme.id):
        for write in (
            lambda: store.record(late, said(1), then=None),
            lambda: store.record(late, said(1), then=Finish("ok", "desk")),
            lambda: store.settle(late, Outcome(TaskStatus.FAILED, "x")),
            lambda: store.finish(late, Finish("ok", "desk")),
        ):
            with pytest.raises(LeaseLost):
                write()
        assert not Step.objects.exists()
        assert Message.objects.count() == 1
    assert Story(acme, posted.task.id).event_types == ["message.created", "task.status_changed"]


def test_it_prolongs_only_the_leases_of_the_worker_that_asks(acme: House) -> None:
    claim = (post(acme, "hola"), claim_one("one"))[1]
    assert list(claims.renew(worker="one", task_ids=[claim.task_id])) == [claim.task_id]
    assert claims.renew(worker="two", task_ids=[claim.task_id]) == {}


@pytest.mark.parametrize("hours", [-1, 1])
def test_it_takes_no_notice_of_this_machines_clock(acme: House, hours: int) -> None:
    posted = post(acme, "hola")
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        claim = claim_one("one")
        assert claims.claim_tasks(worker="two", limit=10) == []
        expire()
        assert claim_one("two").attempt == claim.attempt + 1
    assert claim.task_id == posted.task.id


def test_it_keeps_a_renewed_lease_from_being_claimed(acme: House) -> None:
    claim = (post(acme, "hola"), claim_one("one"))[1]
    expire()
    claims.renew(worker="one", task_ids=[claim.task_id])
    assert claims.claim_tasks(worker="two", limit=10) == []


def test_it_tells_a_worker_what_is_wanted(acme: House) -> None:
    claim = (post(acme, "hola"), claim_one("one"))[1]
    with scopes_disabled():
        Task.objects.update(wanted=Wanted.CANCEL)
    seen = claims.look(worker="one", task_ids=[claim.task_id])
    assert seen[claim.task_id].wanted is Wanted.CANCEL


def test_it_counts_crashes_and_forgets_them_when_a_step_is_recorded(acme: House) -> None:
    post(acme, "hola")
    claim_one()
    expire()
    second = claim_one()
    assert (second.num_crashes, second.is_suspect) == (1, False)
    with tenant_scope(acme.id):
        store.record(second, said(1), then=None)
    expire()
    assert claim_one().num_crashes == 1


def test_it_suspects_a_task_and_no_more_however_often_everything_is_restarted(acme: House) -> None:
    post(acme, "hola")
    claim_one()
    for expected in (1, 2, 2, 2, 2):
        claims.expire_leases()
        claim = claim_one()
        assert (claim.num_crashes, claim.is_suspect) == (expected, expected == 2)


def test_it_accuses_a_task_only_when_it_has_come_no_further(acme: House) -> None:
    post(acme, "hola")
    claim_one()
    for _ in range(2):
        expire()
        claim = claim_one()
    with tenant_scope(acme.id):
        assert claims.accuse(claim)
    claim = claim_one()
    assert claim.num_crashes == 3
    with tenant_scope(acme.id):
        assert claims.accuse(claim, is_proven=True)
        store.record(claim, said(1), then=None)
        assert not claims.accuse(claim, is_proven=True)
        assert not claims.accuse(claim)


def test_it_prefers_a_wish_to_cancel_over_the_answer(acme: House) -> None:
    posted = post(acme, "hola")
    claim = claim_one()
    with scopes_disabled():
        Task.objects.update(wanted=Wanted.CANCEL)
    with tenant_scope(acme.id):
        store.record(claim, said(1), then=Finish("ok", "desk"))
    story = Story(acme, posted.task.id)
    assert (story.task.status, story.answer) == ("cancelled", None)
    assert story.event_types.count("chat.response") == 0


def test_it_lets_a_pause_wait_for_the_end_of_the_step(acme: House) -> None:
    posted = post(acme, "hola")
    claim = claim_one()
    with scopes_disabled():
        Task.objects.update(wanted=Wanted.PAUSE)
    with tenant_scope(acme.id):
        store.record(claim, said(1), then=None)
    assert Story(acme, posted.task.id).task.status == "paused"


def test_it_writes_nothing_of_a_step_when_its_transaction_fails(acme: House) -> None:
    posted = post(acme, "hola")
    claim = claim_one()
    with tenant_scope(acme.id):
        store.record(claim, said(1), then=None)
        before = Story(acme, posted.task.id)
        with pytest.raises(Exception, match=r"UNIQUE|unique|duplicate"):
            store.record(claim, said(1), then=Finish("ok", "desk"))
    assert claim.attempt == before.task.attempt
