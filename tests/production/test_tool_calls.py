import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orkesta.failpoints import Failpoint
from tests.chaos.checker import faults_in
from tests.chaos.history import Acknowledged, History
from tests.production.cluster import kill, wait_for_worker
from tests.production.shop import Shop
from tests.production.till import Till

pytestmark = [
    pytest.mark.xdist_group("production"),
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.chaos,
]
LONG = pytest.mark.long


@contextmanager
def killed_in_a_call(shop: Shop, text: str, place: Failpoint) -> Iterator[dict[str, str]]:
    """The accepted message, whose worker has died there; then the others go on with it."""
    rested = list(shop.cluster.workers)
    for child in rested:
        kill(child, signal.SIGSTOP)
    armed = {"ORKESTA_FAILPOINT": f"{place}:1", "ORCHESTRATOR_DEBUG_FAILPOINTS": "true"}
    doomed = shop.cluster.start_worker(**armed)
    try:
        wait_for_worker(doomed)
        sent = shop.uvicorn.send(text)
        assert doomed.process.wait(60) == -signal.SIGKILL, doomed.log.read_text()
        yield sent
        shop.cluster.execute("UPDATE conversations_task SET lease_until = now() - interval '1 s'")
    finally:
        for child in rested:
            kill(child, signal.SIGCONT)


def check(shop: Shop, text: str, sent: dict[str, str]) -> None:
    """Answered once, with nothing lost and nothing twice; the call is one step and has ended."""
    shop.uvicorn.wait_for(sent["task_id"], "completed")
    told = Acknowledged(text, sent["task_id"], sent["session_id"])
    assert faults_in(History([told]), shop.cluster.rows) == []
    steps = shop.cluster.rows("SELECT status FROM conversations_step WHERE kind = 'tool'")
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("recovery", "place", "before", "after"),
    [
        pytest.param("idempotent", Failpoint.CALL_BEGUN, [], [1], marks=LONG),
        ("idempotent", Failpoint.TOOL_ANSWERED, [1], [2]),
        pytest.param("check", Failpoint.CALL_BEGUN, [], [1], marks=LONG),
        ("check", Failpoint.TOOL_ANSWERED, [1], [1]),
    ],
)
def test_a_call_has_one_effect_wherever_its_worker_dies(
    empty_shop: Shop,
    till: Till,
    recovery: str,
    place: Failpoint,
    before: list[int],
    after: list[int],
) -> None:
    shop, text = empty_shop, f"precio [call:charge_{recovery}] muere en {place} #1"
    with killed_in_a_call(shop, text, place) as sent:
        assert till.calls_of(sent["task_id"]) == before
    check(shop, text, sent)
    assert till.calls_of(sent["task_id"]) == after
    assert sum(key.startswith(sent["task_id"]) for key in till.charged) == 1


@pytest.mark.parametrize(
    ("place", "action", "after"),
    [
        pytest.param(Failpoint.CALL_BEGUN, "approve", [1], marks=LONG),
        (Failpoint.TOOL_ANSWERED, "reject", [1]),
        pytest.param(Failpoint.CALL_BEGUN, "reject", [], marks=LONG),
        pytest.param(Failpoint.TOOL_ANSWERED, "approve", [2], marks=LONG),
    ],
)
def test_a_call_that_must_not_be_repeated_waits_for_a_person(
    empty_shop: Shop, till: Till, place: Failpoint, action: str, after: list[int]
) -> None:
    shop, text = empty_shop, f"precio [call:charge_never] {action} tras {place} #1"
    with killed_in_a_call(shop, text, place) as sent:
        before = till.calls_of(sent["task_id"])
    shop.uvicorn.wait_for(sent["task_id"], "input_required")
    assert till.calls_of(sent["task_id"]) == before
    given = shop.daphne.call("POST", f"/api/v1/tasks/{sent['task_id']}/input", {"action": action})
    assert given.status_code == 200, given.text
    check(shop, text, sent)
    assert till.calls_of(sent["task_id"]) == after
    [(status,)] = shop.cluster.rows("SELECT status FROM conversations_step WHERE kind = 'tool'")
    assert status == ("succeeded" if action == "approve" else "failed")
