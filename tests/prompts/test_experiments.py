from typing import Any
from uuid import UUID

import pytest

from conversations.models import Step, Task
from conversations.triggers.ticker import ScheduleTicker
from orkesta.ids import uuid7
from prompts.errors import ExperimentConflict
from prompts.experiment_models import Experiment
from prompts.experiments import (
    change_share,
    results_of,
    start_experiment,
    stop_experiment,
    take_back_if_worse,
    takes_part,
)
from prompts.models import PromptVersion
from prompts.services import edit_draft, publish_version, save_draft
from tenants.scope import in_tenant, tenant_scope
from tests.admin import desk_of, make_turn
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import says


def begin(house: House, share: int = 100, source: str = "Retador.") -> Experiment:
    with tenant_scope(house.id):
        draft = save_draft(prompt=house.agents["sales"].prompt, source=source)
        return start_experiment(challenger=draft, share=share)


def run_tasks(version: PromptVersion, *statuses: str) -> None:
    for status in statuses:
        task = make_turn(version.tenant)
        with tenant_scope(version.tenant_id):
            Task.objects.filter(pk=task.pk).update(status=status)
            Step.objects.filter(task=task, kind="model").update(prompt_version=version)


def ending_of(experiment: Experiment) -> str:
    with tenant_scope(experiment.tenant_id):
        experiment.refresh_from_db()
    return experiment.ending


def test_a_session_keeps_its_side_and_shares_are_what_they_say() -> None:
    experiment, sessions = uuid7(), [UUID(int=number) for number in range(4000)]
    tenth = {session for session in sessions if takes_part(experiment, session, 10)}
    half = {session for session in sessions if takes_part(experiment, session, 50)}
    assert 330 < len(tenth) < 470
    assert 1880 < len(half) < 2120
    assert tenth < half, "who takes part stays in while the share grows"
    assert all(takes_part(experiment, session, 100) for session in sessions)
    other = {session for session in sessions if takes_part(uuid7(), session, 10)}
    assert len(tenth & other) < 100, "another experiment takes others"


def test_what_takes_part_is_frozen(acme: House) -> None:
    challenger = begin(acme).challenger
    assert challenger.status == "retired"
    with tenant_scope(acme.id), pytest.raises(Exception, match="published"):
        edit_draft(version=challenger, source="Otro.")


def test_one_runs_at_a_time_against_what_is_published(acme: House) -> None:
    experiment = begin(acme)
    with pytest.raises(ExperimentConflict):
        begin(acme)
    with tenant_scope(acme.id):
        assert stop_experiment(experiment=experiment)
        assert not stop_experiment(experiment=experiment)
        with pytest.raises(ExperimentConflict):
            change_share(experiment=experiment, share=50)
        live = PromptVersion.objects.get(prompt=experiment.prompt, status="published")
        with pytest.raises(ExperimentConflict):
            start_experiment(challenger=live, share=10)


def test_publishing_ends_it(acme: House) -> None:
    experiment = begin(acme)
    with tenant_scope(acme.id):
        publish_version(version=experiment.challenger)
    assert ending_of(experiment) == "published"


def test_a_challenger_that_fails_beyond_doubt_is_taken_back(acme: House) -> None:
    experiment = begin(acme)
    run_tasks(experiment.baseline, *["completed"] * 20)
    run_tasks(experiment.challenger, "failed", "failed")
    with tenant_scope(acme.id):
        assert not take_back_if_worse(experiment.pk), "two may be chance"
    run_tasks(experiment.challenger, "failed")
    with tenant_scope(acme.id):
        results = results_of(experiment)
        assert (results.baseline.num_tasks, results.challenger.num_failed) == (20, 3)
        assert take_back_if_worse(experiment.pk)
        assert not take_back_if_worse(experiment.pk)
    assert ending_of(experiment) == "worse"


@pytest.mark.django_db(transaction=True)
async def test_the_clock_takes_it_back(acme: House) -> None:
    experiment = await in_tenant(acme.id, begin, acme)
    await in_tenant(acme.id, run_tasks, experiment.baseline, *["completed"] * 20)
    await in_tenant(acme.id, run_tasks, experiment.challenger, *["failed"] * 3)
    await ScheduleTicker().run_once()
    assert await in_tenant(acme.id, ending_of, experiment) == "worse"


@pytest.mark.django_db(transaction=True)
async def test_a_session_that_takes_part_is_told_the_challenger_and_its_task_pins_it(
    acme: House,
) -> None:
    await in_tenant(acme.id, ask_fake_llm, acme)
    experiment = await in_tenant(acme.id, begin, acme)
    async with open_worker(says("ok"), says("ok")) as (worker, fake):
        posted = await apost(acme, "price")
        await run_until_idle(worker)
        await in_tenant(acme.id, stop_experiment, experiment=experiment)
        await apost(acme, "price", posted.task.session_id)
        await run_until_idle(worker)
    told = [call.body["messages"][0]["content"] for call in fake.calls]
    assert told == ["Retador.", "You are Sales."]
    story = await story_of(acme, posted.task.id)
    pinned = {step.output.get("prompt_version_id") for step in story.steps}
    assert str(experiment.challenger_id) in pinned
    assert story.steps[-1].prompt_version_id == experiment.challenger_id


def test_it_is_started_grown_and_ended_on_the_page(acme: House, rival: House) -> None:
    desk, prompt = desk_of(acme), acme.agents["sales"].prompt
    with tenant_scope(acme.id):
        save_draft(prompt=prompt, source="Retador.")

    def act(**asked: Any) -> Any:
        desk.post("prompts_prompt_experiment", prompt.pk, **asked)
        return desk.get("prompts_prompt_change", prompt.pk).context["experiment"]

    for wrong in ({"version": "9", "share": "10"}, {"version": "2", "share": "11"}, {"stop": "1"}):
        assert act(**wrong) is None
    assert act(version="v2", share="10").share == 10
    assert act(share="50").share == 50
    page = desk.get("prompts_prompt_change", prompt.pk)
    assert "challenger" in page.content.decode()
    assert act(stop="1").ending == "stopped"
    assert desk_of(rival).post("prompts_prompt_experiment", prompt.pk).status_code == 404
