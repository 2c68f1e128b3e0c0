"""Workflows with branches whose workers die: real processes, on PostgreSQL and Valkey."""

from typing import Any

import pytest

from orkesta.failpoints import Failpoint
from tests.production.dying import check, doomed_worker, end_leases, others_at_rest, see_it_die
from tests.production.shop import Shop

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]
LONG = pytest.mark.long
PLAN = [{"parallel": ["catalogo", "pedidos", "pagos"]}, "recepcion"]


def execute(shop: Shop, text: str) -> dict[str, Any]:
    body = {"kind": "workflow", "input": text, "plan": PLAN}
    answer = shop.uvicorn.call("POST", "/api/v1/execute", body)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def check_branches(shop: Shop, text: str, sent: dict[str, Any]) -> None:
    """All were done once, and their workflow was woken once."""
    check(shop, text, sent)
    task = shop.uvicorn.task(sent["task_id"])
    assert [(one["agent"], one["status"]) for one in task["branches"]] == [
        (slug, "completed") for slug in ("catalogo", "pedidos", "pagos")
    ]
    assert [step["kind"] for step in task["intermediate_results"]] == ["route", "join", "model"]
    woken = "SELECT count(*) FROM conversations_event WHERE data->>'reason' = 'branches_ended'"
    assert shop.cluster.rows(woken) == [(1,)]


@pytest.mark.parametrize(
    ("place", "times"),
    [
        (Failpoint.BRANCHES_WRITTEN, 1),
        (Failpoint.BRANCHES_JOINED, 1),
        # In the middle of a branch, and when the last one has ended but nobody has been told.
        pytest.param(Failpoint.STEP_WRITTEN, 4, marks=LONG),
        pytest.param(Failpoint.STEP_COMMITTED, 7, marks=LONG),
        pytest.param(Failpoint.TASK_CLAIMED, 3, marks=LONG),
        pytest.param(Failpoint.TASK_CLAIMED, 5, marks=LONG),
    ],
)
def test_a_workflow_survives_its_workers_wherever_they_die(
    empty_shop: Shop, place: Failpoint, times: int
) -> None:
    shop, text = empty_shop, f"ramas que mueren en {place} {times} #1"
    with others_at_rest(shop):
        doomed = doomed_worker(shop, f"{place}:{times}")
        sent = execute(shop, text)
        see_it_die(doomed)
        end_leases(shop)
    shop.uvicorn.wait_for(sent["task_id"], "completed", seconds=30)
    check_branches(shop, text, sent)


def test_branches_run_at_the_same_time_on_several_workers(empty_shop: Shop) -> None:
    shop, text = empty_shop, "ramas a la vez [slow:0.5] #1"
    sent = execute(shop, text)
    shop.uvicorn.wait_for(sent["task_id"], "completed", seconds=30)
    check_branches(shop, text, sent)
    spans = shop.cluster.rows(
        "SELECT started_at, finished_at FROM conversations_task WHERE parent_id IS NOT NULL"
    )
    assert max(start for start, _ in spans) < min(end for _, end in spans)
