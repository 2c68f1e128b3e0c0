"""What people do to a workflow that waits for its branches is done to these, too."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from conversations.engine import claims, store
from conversations.engine.charging import PAUSED_BY_BUDGET
from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.engine.state import StepRecord
from conversations.input_models import InputRequest
from conversations.models import Event, Step, Task
from conversations.services import (
    cancel_task,
    fork_task,
    give_input,
    pause_task,
    resume_task,
    verbs_for,
)
from conversations.services.budget import set_budget
from conversations.services.inputs import expire_input
from conversations.states import StepKind, StepStatus, TaskStatus
from conversations.triggers.task_events import announcements_of
from orkesta.errors import StateConflict
from tenants.scope import scopes_disabled, tenant_scope
from tests.cast import House
from tests.conversations.branches import claim_all, end, forked
from tests.engine import post

pytestmark = pytest.mark.django_db(transaction=True)


def statuses(house: House, *task_ids: UUID) -> list[str]:
    with tenant_scope(house.id):
        by_id = dict(Task.objects.values_list("pk", "status"))
    return [by_id[task_id] for task_id in task_ids]


def test_cancelling_a_workflow_cancels_its_branches(acme: House) -> None:
    parent, one, two = forked(acme)
    claim = claim_all()[one]
    with tenant_scope(acme.id):
        Task.objects.filter(pk=two).update(status=TaskStatus.QUEUED)
        cancel_task(task_id=parent)
        assert Task.objects.get(pk=one).wanted == "cancel"
        assert statuses(acme, parent, two) == ["cancelled", "cancelled"]
        store.settle(claim, Outcome(TaskStatus.CANCELLED, "cancelled"))
    assert statuses(acme, parent, one) == ["cancelled", "cancelled"]


def test_pausing_a_workflow_pauses_its_branches_and_resuming_lets_them_go_on(acme: House) -> None:
    parent, one, two = forked(acme)
    with tenant_scope(acme.id):
        pause_task(task_id=parent)
        assert statuses(acme, parent, one, two) == ["paused"] * 3
        with pytest.raises(StateConflict):
            resume_task(task_id=one)
        resume_task(task_id=parent)
    assert statuses(acme, parent, one, two) == ["waiting", "queued", "queued"]


def test_a_paused_workflow_whose_branches_end_all_the_same_goes_on_when_it_is_resumed(
    acme: House,
) -> None:
    parent, one, two = forked(acme)
    for claim in claim_all().values():
        with tenant_scope(acme.id):
            pause_task(task_id=parent)
        end(claim)
    assert statuses(acme, parent, one, two) == ["paused", "completed", "completed"]
    with tenant_scope(acme.id):
        assert Step.objects.get(task=parent).status == "succeeded"
        resume_task(task_id=parent)
    assert statuses(acme, parent) == ["queued"]


def test_one_branch_that_is_cancelled_is_a_finding(acme: House) -> None:
    parent, one, two = forked(acme)
    with tenant_scope(acme.id):
        cancel_task(task_id=one)
    assert statuses(acme, parent) == ["waiting"]
    end(claim_all()[two])
    with tenant_scope(acme.id):
        findings = Step.objects.get(task=parent).output["findings"]
    assert [found.get("error", {}).get("code") for found in findings] == ["cancelled", None]
    assert statuses(acme, parent) == ["queued"]


def test_a_branch_is_taken_up_again_with_its_workflow_only(acme: House) -> None:
    _, one, _ = forked(acme)
    with tenant_scope(acme.id):
        cancel_task(task_id=one)
        assert verbs_for(Task.objects.get(pk=one)) == frozenset()
        with pytest.raises(StateConflict):
            fork_task(task_id=one, after_step=0)


def test_a_wish_that_came_before_the_branches_is_obeyed_instead(acme: House) -> None:
    posted = post(acme, "10 tubes")
    [claim] = claims.claim_tasks(worker="parent", limit=9)
    step = StepRecord(1, StepKind.JOIN, StepStatus.STARTED, input={"branches": [], "note": ""})
    with tenant_scope(acme.id):
        pause_task(task_id=posted.task.id)
        assert store.fork(claim, step, is_first=True).status == "paused"
        assert not Step.objects.exists()
        assert Task.objects.get(pk=posted.task.id).num_steps == 0


def test_whatever_is_told_of_a_branch_says_so_and_webhooks_hear_nothing_of_it(acme: House) -> None:
    parent, one, two = forked(acme)
    running = claim_all()
    with tenant_scope(acme.id):
        store.settle(running[one], Outcome(TaskStatus.PAUSED, "budget"))
        store.settle(running[two], Outcome(TaskStatus.FAILED, "llm_timeout"))
        resume_task(task_id=one)
        cancel_task(task_id=one)
        told = list(Event.objects.filter(task__in=[one, two]))
        everything = list(Event.objects.order_by("seq"))
    assert {event.data.get("parent_task_id") for event in told} == {str(parent)}
    assert {event.type for event in told} == {"task.status_changed"}
    assert announcements_of(everything[0].session_id, everything) == []
    assert statuses(acme, parent, one, two) == ["queued", "cancelled", "failed"]


def test_a_branch_without_budget_goes_on_when_it_is_raised(acme: House) -> None:
    parent, one, two = forked(acme)
    running = claim_all()
    with tenant_scope(acme.id):
        store.settle(running[one], PAUSED_BY_BUDGET)
        end(running[two])
        assert statuses(acme, parent, one) == ["waiting", "paused"]
        set_budget(tenant_id=acme.id, dollars=None, is_hard=True, alert_percent=80)
    end(claim_all()[one])
    assert statuses(acme, parent, one) == ["queued", "completed"]


def test_a_question_that_nobody_answers_fails_its_branch_alone(acme: House) -> None:
    parent, one, two = forked(acme)
    end(claim_all()[two])
    with tenant_scope(acme.id):
        Task.objects.filter(pk=one).update(status=TaskStatus.INPUT_REQUIRED)
        step = Step.objects.create(task_id=one, number=1, attempt=1, kind="human", status="started")
        past = timezone.now() - timedelta(minutes=1)
        asked = InputRequest.objects.create(
            task_id=one, step_number=step.number, question="Size?", kind="question", expires_at=past
        )
        assert expire_input(asked.pk)
        [first, _] = Step.objects.get(task=parent).output["findings"]
        assert not Event.objects.filter(type="error").exists()
    assert first["error"]["code"] == "input_expired"
    assert statuses(acme, parent, one) == ["queued", "failed"]


def test_an_answer_while_the_workflow_is_paused_waits_for_it_to_go_on(acme: House) -> None:
    parent, one, _ = forked(acme)
    with tenant_scope(acme.id):
        Task.objects.filter(pk=one).update(status=TaskStatus.INPUT_REQUIRED)
        Step.objects.create(task_id=one, number=1, attempt=1, kind="human", status="started")
        soon = timezone.now() + timedelta(minutes=1)
        InputRequest.objects.create(
            task_id=one, step_number=1, question="Size?", kind="question", expires_at=soon
        )
        pause_task(task_id=parent)
        assert statuses(acme, one) == ["input_required"]
        give_input(task_id=one, action="answer", text="1/2")
        assert statuses(acme, one) == ["paused"]
        resume_task(task_id=parent)
    assert statuses(acme, one) == ["queued"]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(6) as pool:
        yield pool


def test_of_branches_that_end_at_the_same_time_exactly_one_wakes_the_workflow(
    acme: House, threads: ThreadPoolExecutor
) -> None:
    def end_here(claim: Claim) -> None:
        try:
            end(claim)
        finally:
            connection.close()

    for _ in range(8):
        parent, *branches = forked(acme, count=6)
        running = claim_all()
        list(threads.map(end_here, [running[branch] for branch in branches]))
        with scopes_disabled():
            woken = Event.objects.filter(task=parent, data__reason="branches_ended")
            assert woken.count() == 1
            assert len(Step.objects.get(task=parent).output["findings"]) == 6
        assert statuses(acme, parent) == ["queued"]
        with tenant_scope(acme.id):
            store.settle(claim_all()[parent], Outcome(TaskStatus.COMPLETED))


def test_a_cancel_and_the_ends_of_branches_do_not_wait_for_each_other(
    acme: House, threads: ThreadPoolExecutor
) -> None:
    def act(claim: Claim | None) -> None:
        try:
            if claim is not None:
                end(claim)
                return
            with tenant_scope(acme.id):
                cancel_task(task_id=parent)
        except StateConflict:
            return
        finally:
            connection.close()

    for _ in range(5):
        parent, *branches = forked(acme, count=4)
        running = claim_all()
        acts = [running[branches[0]], running[branches[1]], None]
        list(threads.map(act, [*acts, *(running[branch] for branch in branches[2:])]))
        ended = statuses(acme, parent, *branches)
        assert set(ended[1:]) <= {"completed", "cancelled"}
        assert ended[0] == "cancelled"
