"""Turns between tenants, and how many tasks of one run at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from conversations.engine import claims, queues, store
from conversations.engine.claims import Claim
from conversations.engine.facts import Outcome
from conversations.engine.fairness import Queue, allot
from conversations.models import Task
from conversations.states import TaskStatus
from tenants.models import Tier, TierOverride
from tenants.scope import scopes_disabled, tenant_scope
from tests.cast import House, make_house
from tests.engine import post

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


def given(num_free: int, *queues: Queue, **last_served: dict[UUID, int]) -> dict[UUID, int]:
    return allot(num_free, queues, **{"last_served": {}, **last_served})


def test_free_places_are_shared_evenly() -> None:
    assert given(10, Queue(ONE, 0), Queue(TWO, 0)) == {ONE: 5, TWO: 5}


def test_who_has_less_at_work_catches_up_first() -> None:
    assert given(4, Queue(ONE, 7), Queue(TWO, 5)) == {TWO: 3, ONE: 1}
    assert given(2, Queue(ONE, 100), Queue(TWO, 0)) == {TWO: 2}


def test_a_weight_is_a_share() -> None:
    assert given(12, Queue(ONE, 0, weight=10), Queue(TWO, 0, weight=5)) == {ONE: 8, TWO: 4}


def test_nobody_gets_more_than_the_cap_and_the_rest_goes_to_others() -> None:
    queues = (Queue(ONE, 1, cap=2), Queue(TWO, 0), Queue(THREE, 5, cap=2))
    assert given(10, *queues) == {TWO: 9, ONE: 1}


def test_with_one_place_everybody_gets_a_turn() -> None:
    served: dict[UUID, int] = {}
    for number in range(6):
        [tenant_id] = given(1, *(Queue(t, 0) for t in (ONE, TWO, THREE)), last_served=served)
        served[tenant_id] = number
    assert sorted(served.values()) == [3, 4, 5]


def owners(found: list[Claim]) -> list[UUID]:
    return [claim.tenant_id for claim in found]


def end(claim: Claim) -> None:
    with tenant_scope(claim.tenant_id):
        store.settle(claim, Outcome(TaskStatus.COMPLETED))


def limit(house: House, cap: int | None) -> None:
    Tier.objects.filter(tenant=house.tenant).update(max_concurrent_tasks=cap)


@pytest.mark.django_db
def test_a_tenant_does_not_wait_behind_the_queue_of_another(acme: House, rival: House) -> None:
    for number in range(20):
        post(acme, f"hola {number}")
    [first] = claims.claim_tasks(worker="one", limit=1)
    post(rival, "yo también")
    assert owners(claims.claim_tasks(worker="one", limit=1)) == [rival.id]
    assert set(owners(claims.claim_tasks(worker="one", limit=30))) == {acme.id}
    assert first.tenant_id == acme.id


@pytest.mark.django_db
def test_what_one_does_not_need_another_gets(acme: House, rival: House) -> None:
    for number in range(9):
        post(acme, f"hola {number}")
    post(rival, "hola")
    found = owners(claims.claim_tasks(worker="one", limit=8))
    assert (found.count(acme.id), found.count(rival.id)) == (7, 1)


@pytest.mark.django_db
def test_a_tier_bounds_what_runs_at_once_and_changes_apply_at_once(acme: House) -> None:
    for number in range(9):
        post(acme, f"hola {number}")
    limit(acme, 2)
    running = claims.claim_tasks(worker="one", limit=9)
    assert len(running) == 2
    assert claims.claim_tasks(worker="two", limit=9) == []
    end(running[0])
    assert len(claims.claim_tasks(worker="two", limit=9)) == 1
    limit(acme, 4)
    assert len(claims.claim_tasks(worker="two", limit=9)) == 2
    limit(acme, None)
    assert len(claims.claim_tasks(worker="two", limit=9)) == 4


@pytest.mark.django_db
def test_an_override_stands_above_the_tier_while_it_holds(acme: House) -> None:
    for number in range(6):
        post(acme, f"hola {number}")
    limit(acme, 1)
    with tenant_scope(acme.id):
        override = TierOverride(limit="max_concurrent_tasks", value=3, reason="rebajas")
        override.save()
    assert len(claims.claim_tasks(worker="one", limit=9)) == 3
    with tenant_scope(acme.id):
        TierOverride.objects.update(value=None)
        assert len(claims.claim_tasks(worker="one", limit=1)) == 1
        TierOverride.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert claims.claim_tasks(worker="one", limit=9) == []


@pytest.mark.django_db
def test_a_tenant_may_have_a_share_of_its_own_while_it_is_agreed(acme: House, rival: House) -> None:
    for house in (acme, rival):
        post(house, "hola")
    with tenant_scope(acme.id):
        TierOverride.objects.create(limit="claim_priority", value=9, reason="rebajas")
        TierOverride.objects.create(limit="max_concurrent_tasks", value=3, reason="rebajas")
    found = {queue.tenant_id: (queue.weight, queue.cap) for queue in queues.look().queues}
    assert found == {acme.id: (9, 3), rival.id: (5, None)}
    with tenant_scope(acme.id):
        TierOverride.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert {queue.weight for queue in queues.look().queues} == {5}


@pytest.mark.django_db
def test_what_a_dead_worker_had_at_work_goes_on_under_a_cap(acme: House) -> None:
    for number in range(5):
        post(acme, f"hola {number}")
    limit(acme, 2)
    before = {claim.task_id for claim in claims.claim_tasks(worker="one", limit=9)}
    with scopes_disabled():
        Task.objects.filter(status="processing").update(
            lease_until=F("lease_until") - timedelta(minutes=1)
        )
    assert {claim.task_id for claim in claims.claim_tasks(worker="two", limit=9)} == before


@pytest.fixture
def in_threads() -> Iterator[Callable[..., list[list[Claim]]]]:
    """Claim as many workers do at the same moment, each with a connection of its own."""

    def claim(name: int) -> list[Claim]:
        try:
            return claims.claim_tasks(worker=f"w{name}", limit=3)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        yield lambda: list(threads.map(claim, range(8)))


def num_running(house: House) -> int:
    with scopes_disabled():
        return Task.objects.filter(tenant=house.tenant, status="processing").count()


@pytest.mark.django_db(transaction=True)
def test_a_cap_is_exact_with_many_workers_that_claim_at_once(
    in_threads: Callable[..., list[list[Claim]]],
) -> None:
    house, other = make_house(f"a{uuid4().hex[:8]}"), make_house(f"b{uuid4().hex[:8]}")
    for number in range(40):
        post(house, f"hola {number}")
        post(other, f"hola {number}")
    limit(house, 5)
    for _ in range(4):
        found = [claim for some in in_threads() for claim in some]
        assert num_running(house) <= 5
        # Who finds the tenant held by another goes on without it: the next look takes the rest.
        found += claims.claim_tasks(worker="late", limit=9)
        mine = [claim for claim in found if claim.tenant_id == house.id]
        assert num_running(house) == 5
        for claim in mine[:3]:
            end(claim)
    with scopes_disabled():
        assert Task.objects.filter(attempt__gt=1).count() == 0
