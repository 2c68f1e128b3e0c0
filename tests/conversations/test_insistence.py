from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, OperationalError

from conversations.engine import insistence
from conversations.engine.insistence import AlreadyRecorded, insist

# Units run in database threads, which look after their connections before and after.
pytestmark = pytest.mark.django_db(transaction=True)
TENANT = UUID(int=1)


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insistence, "RETRY_SECONDS", 0.001)


class Unit:
    """Does this, one after the other."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)

    def __call__(self) -> Any:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def test_it_tries_again_while_the_database_is_away() -> None:
    unit = Unit(OperationalError("gone"), OperationalError("starting up"), "done")
    assert await insist(TENANT, unit) == "done"


async def test_it_notices_that_a_commit_had_happened_after_all() -> None:
    unit = Unit(OperationalError("gone during COMMIT"), IntegrityError("there is such a step"))
    with pytest.raises(AlreadyRecorded):
        await insist(TENANT, unit)


async def test_it_takes_a_first_refusal_for_what_it_is() -> None:
    with pytest.raises(IntegrityError):
        await insist(TENANT, Unit(IntegrityError("no such tenant")))


async def test_it_leaves_the_task_to_its_lease_when_the_outage_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(insistence, "OUTAGE_SECONDS", 0.0)
    with pytest.raises(OperationalError):
        await insist(TENANT, Unit(OperationalError("gone")))
