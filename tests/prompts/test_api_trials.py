from typing import Any

import pytest
from asgiref.sync import async_to_sync

from prompts.experiment_models import Experiment
from tenants.scope import tenant_scope
from tests.callers import NO_SUCH_ID, Caller, assert_problem
from tests.cast import House
from tests.drafts import answer_in_the_past, draft_of, open_drafts, run_drafts
from tests.engine import ask_fake_llm
from tests.fakes.llm_server import says

pytestmark = pytest.mark.django_db(transaction=True)

SALES = "/api/v1/prompts/sales"
DRAFT = f"{SALES}/versions/2"


def made(response: Any, status: int = 201) -> Any:
    assert response.status_code == status, response.content
    return response.json()


def test_an_experiment_is_started_grown_read_and_stopped(acme: House, acme_api: Caller) -> None:
    draft_of(acme)
    answer = acme_api.post(f"{SALES}/experiments", {"version": 2, "share": 10})
    begun, place = made(answer), answer["Location"]
    assert (begun["baseline"], begun["challenger"], begun["is_running"]) == (1, 2, True)
    again = acme_api.post(f"{SALES}/experiments", {"version": 2, "share": 10})
    assert_problem(again, 409, "experiment_conflict")
    assert made(acme_api.request("PATCH", place, {"share": 50}), 200)["share"] == 50
    shown = made(acme_api.get(place), 200)
    assert shown["results"]["challenger"]["num_tasks"] == 0
    assert shown["results"]["is_worse"] is False
    stopped = made(acme_api.post(f"{place}/stop"), 200)
    assert (stopped["is_running"], stopped["ending"]) == (False, "stopped")
    assert [row["share"] for row in acme_api.get(f"{SALES}/experiments").json()["items"]] == [50]
    assert_problem(acme_api.request("PATCH", place, {"share": 10}), 409, "experiment_conflict")


def test_a_share_that_there_is_not_is_refused(acme: House, acme_api: Caller) -> None:
    draft_of(acme)
    answer = acme_api.post(f"{SALES}/experiments", {"version": 2, "share": 33})
    assert_problem(answer, 422, "validation_failed")
    with tenant_scope(acme.id):
        assert not Experiment.objects.exists()


def test_test_cases_are_written_changed_and_removed(acme: House, acme_api: Caller) -> None:
    answer = acme_api.post(f"{SALES}/test-cases", {"message": "hola", "must_contain": "Hola"})
    case, place = made(answer), answer["Location"]
    assert (case["message"], case["max_tokens"]) == ("hola", None)
    changed = made(acme_api.request("PATCH", place, {"max_tokens": 9}), 200)
    assert (changed["max_tokens"], changed["must_contain"]) == (9, "Hola")
    bad = acme_api.request("PATCH", place, {"pattern": "("})
    assert assert_problem(bad, 422, "validation_failed")["errors"][0]["pointer"] == "/pattern"
    items = acme_api.get(f"{SALES}/test-cases").json()["items"]
    assert [item["case_id"] for item in items] == [case["case_id"]]
    assert acme_api.request("DELETE", place).status_code == 204
    assert acme_api.get(place).status_code == 404


def test_a_test_run_is_begun_at_once_and_read_when_it_is_done(
    acme: House, acme_api: Caller
) -> None:
    draft_of(acme)
    made(acme_api.post(f"{SALES}/test-cases", {"message": "hola", "must_contain": "unicornio"}))
    answer = acme_api.post(f"{DRAFT}/test-runs")
    begun, place = made(answer, 202), answer["Location"]
    assert (begun["status"], begun["num_done"], begun["num_parts"]) == ("running", 0, 1)
    twice = made(acme_api.post(f"{DRAFT}/test-runs"), 202)
    assert twice["run_id"] == begun["run_id"], "the same run is taken up"
    run_drafts()
    done = made(acme_api.get(place), 200)
    assert (done["status"], done["num_passed"], done["num_failed"]) == ("completed", 0, 1)
    assert done["results"][0]["faults"] == [{"code": "lacks", "wanted": "unicornio"}]
    assert len(acme_api.get(f"{DRAFT}/test-runs").json()["items"]) == 1


def test_a_replay_is_estimated_started_and_read(acme: House, acme_api: Caller) -> None:
    draft_of(ask_fake_llm(acme))
    async_to_sync(answer_in_the_past)(acme, "precio 1", "precio 2")
    told = made(acme_api.get(f"{DRAFT}/replays/estimate?limit=1"), 200)
    assert (told["num_messages"], float(told["cost"]) > 0) == (1, True)
    answer = acme_api.post(f"{DRAFT}/replays", {"limit": 2})
    begun, place = made(answer, 202), answer["Location"]
    assert (begun["status"], begun["num_parts"]) == ("running", 2)
    assert_problem(acme_api.post(f"{DRAFT}/replays"), 409, "replay_conflict")
    _run(says("Caro."))
    done = made(acme_api.get(place), 200)
    assert (done["status"], done["num_same"], done["version"]) == ("completed", 2, 2)
    messages = acme_api.get(f"{place}/messages?limit=1").json()
    assert messages["has_more"] is True
    (first,) = messages["items"]
    assert (first["message"], first["old_answer"]) == ("precio 2", "Cuesta 20.")
    assert first["new_answer"] == "Caro."
    assert_problem(acme_api.post(f"{place}/cancel"), 409, "replay_conflict")
    assert_problem(acme_api.post(f"{place}/resume"), 409, "replay_conflict")


@async_to_sync
async def _run(*behaviours: Any) -> None:
    async with open_drafts(*behaviours) as (loop, _):
        await loop.run_until_idle()


def test_a_replay_is_cancelled(acme: House, acme_api: Caller) -> None:
    draft_of(ask_fake_llm(acme))
    async_to_sync(answer_in_the_past)(acme, "precio 1")
    place = acme_api.post(f"{DRAFT}/replays")["Location"]
    assert made(acme_api.post(f"{place}/cancel"), 200)["status"] == "cancelled"
    other = place.replace("/sales/", "/desk/")
    assert acme_api.get(other).status_code == 404, "it is of another prompt"


def test_nothing_is_found_in_another_house(
    acme: House, acme_api: Caller, rival_api: Caller
) -> None:
    place = acme_api.post(f"{SALES}/test-cases", {"message": "hola"})["Location"]
    assert rival_api.get(place).status_code == 404
    for path in ("experiments", "test-cases", "test-runs", "replays"):
        answer = acme_api.get(f"{SALES}/{path}/{NO_SUCH_ID}")
        assert_problem(answer, 404, "not_found")
