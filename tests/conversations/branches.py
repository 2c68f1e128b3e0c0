"""Workflows with branches whose agents answer as the part says that they were given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from conversations.engine import claims, store
from conversations.engine.actions import Finish
from conversations.engine.claims import Claim
from conversations.engine.state import StepRecord
from conversations.models import Step, Task
from conversations.states import StepKind, StepStatus
from orkesta.ids import uuid7_beside
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import Story, apost, open_worker, post, run_until_idle, story_of
from tests.fakes.llm_server import Behaviour, Call, FakeLLM, says

ARTICLE = {"agent": "sales", "instruction": "Find the article."}
CUSTOMER = {"agent": "desk", "instruction": "Find the customer."}
PLAN: list[dict[str, Any]] = [
    {"parallel": [ARTICLE, CUSTOMER]},
    {"agent": "desk", "instruction": "Put it together."},
]
ANSWERS = {"article": says("TUB-012"), "customer": says("Rosa"), "together": says("We have it.")}


def by_part(behaviours: Mapping[str, Behaviour]) -> Behaviour:
    """Whoever is told to do the part with this word in it behaves so."""

    async def behave(call: Call) -> None:
        told = call.body["messages"][0]["content"].rpartition("Your part:")[2]
        await next(one for word, one in behaviours.items() if word in told)(call)

    return behave


@dataclass
class Outcome:
    """What became of a workflow, and of its branches, in the order of the plan."""

    parent: Story
    branches: list[Story]
    llm: FakeLLM

    @property
    def findings(self) -> list[Any]:
        [join] = [step for step in self.parent.steps if step.kind == "join"]
        found: list[Any] = join.output["findings"]
        return found


def branches_of(house: House, task_id: UUID) -> list[Story]:
    with tenant_scope(house.id):
        rows = Task.objects.filter(parent=task_id).order_by("seq")
        return [Story(house, pk) for pk in rows.values_list("pk", flat=True)]


async def outcome_of(house: House, task_id: UUID, llm: FakeLLM) -> Outcome:
    branches = await sync_to_async(branches_of)(house, task_id)
    return Outcome(await story_of(house, task_id), branches, llm)


async def work(house: House, plan: Any = PLAN, **behaviours: Behaviour) -> Outcome:
    """The workflow from beginning to end."""
    async with open_worker(by_part(ANSWERS | behaviours)) as (worker, llm):
        posted = await apost(house, "10 tubes", plan=plan)
        await run_until_idle(worker)
        return await outcome_of(house, posted.task.id, llm)


def kinds_of(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.kind, step.agent_slug) for step in steps]


# --- Without a worker ---------------------------------------------------------------------------


def forked(house: House, count: int = 2) -> list[UUID]:
    """A workflow that waits, and its branches, which wait for a worker."""
    parts = [{"agent": "desk", "instruction": str(n)} for n in range(1, count + 1)]
    post(house, "10 tubes", plan=[{"parallel": parts}, CUSTOMER])
    [claim] = claims.claim_tasks(worker="parent", limit=9)
    branches = [{"task_id": str(uuid7_beside(claim.task_id))} | part for part in parts]
    step = StepRecord(
        1, StepKind.JOIN, StepStatus.STARTED, input={"branches": branches, "note": ""}
    )
    with tenant_scope(house.id):
        store.fork(claim, step, is_first=True)
    return [claim.task_id, *(UUID(branch["task_id"]) for branch in branches)]


def claim_all() -> dict[UUID, Claim]:
    return {claim.task_id: claim for claim in claims.claim_tasks(worker="one", limit=20)}


def said(text: str) -> tuple[StepRecord, Finish]:
    step = StepRecord(1, StepKind.MODEL, StepStatus.SUCCEEDED, "desk", output={"text": text})
    return step, Finish(text, "desk")


def end(claim: Claim, text: str = "x") -> None:
    step, then = said(text)
    with tenant_scope(claim.tenant_id):
        store.record(claim, step, then=then)
