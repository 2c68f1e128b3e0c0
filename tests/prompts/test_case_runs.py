from typing import Any

import pytest
from django.http import HttpResponse

from prompts.case_models import PromptTestCase, PromptTestRun
from prompts.case_runs import faults_of, start_test_run
from prompts.drafted import DraftAnswer
from prompts.models import PromptVersion
from routing.models import Agent, LLMEndpoint
from tenants.models import Membership
from tenants.scope import tenant_scope
from tenants.usage_models import UsageRecord
from tests.admin import XSS, Desk, desk_of
from tests.cast import House, make_member
from tests.drafts import draft_of, run_drafts

pytestmark = pytest.mark.django_db(transaction=True)


def text(response: HttpResponse) -> str:
    return response.content.decode()


def make_case(house: House, message: str = "hola", **values: Any) -> PromptTestCase:
    with tenant_scope(house.id):
        prompt = house.agents["sales"].prompt
        return PromptTestCase.objects.create(prompt=prompt, message=message, **values)


def status_of(version: PromptVersion) -> str:
    with tenant_scope(version.tenant_id):
        version.refresh_from_db()
    return version.status


@pytest.mark.parametrize(
    ("expected", "faults"),
    [
        ({}, []),
        ({"must_contain": "PRECIO\n\n 20 "}, []),
        ({"must_contain": "precio\nstock"}, [("lacks", "stock")]),
        ({"must_not_contain": "gratis\nprecio"}, [("contains", "precio")]),
        ({"pattern": r"\d+ pesos"}, []),
        ({"pattern": r"^\d+"}, [("unlike", r"^\d+")]),
        ({"max_tokens": 7}, []),
        ({"max_tokens": 6}, [("longer", "6")]),
    ],
)
def test_an_answer_is_held_against_what_is_expected(
    expected: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    answer = DraftAnswer("El precio es 20 pesos.", output_tokens=7)
    assert list(faults_of(PromptTestCase(message="m", **expected), answer)) == faults
    failure = DraftAnswer(failure="Down.")
    assert list(faults_of(PromptTestCase(**expected), failure)) == [("failed", "Down.")]


def test_the_set_is_asked_under_the_draft_and_charged(acme: House) -> None:
    draft = draft_of(acme)
    make_case(acme, must_contain="unicornio")
    make_case(acme, "¿precio?", must_not_contain="unicornio")
    with tenant_scope(acme.id):
        run = start_test_run(version=draft, author=acme.owner)
        run_drafts()
        run.refresh_from_db()
        assert UsageRecord.objects.filter(kind="llm").count() == 2
    assert (run.num_passed, run.num_failed, run.author) == (1, 1, acme.owner)
    assert [bool(result["answer"]) for result in run.results] == [True, True]
    assert status_of(draft) == "draft"


def test_whoever_edits_the_draft_has_to_try_again(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    make_case(acme, must_not_contain="unicornio")
    ids = (draft.prompt_id, draft.pk)
    assert "was not tried on this text yet" in text(desk.get("prompts_version_edit", *ids))
    desk.post("prompts_version_test", *ids)
    run_drafts()
    page = text(desk.get("prompts_version_edit", *ids))
    assert "1 passed, 0 failed" in page
    desk.post("prompts_version_edit", *ids, source="Eres Eva.")
    assert "was not tried on this text yet" in text(desk.get("prompts_version_edit", *ids))


def test_a_red_set_asks_twice_before_it_is_published(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    make_case(acme, must_contain="unicornio")
    ids = (draft.prompt_id, draft.pk)
    page = text(desk.post("prompts_version_publish", *ids))
    assert "The test set was not run on this text" in page
    desk.post("prompts_version_test", *ids)
    run_drafts()
    page = text(desk.post("prompts_version_edit", *ids, source="Eres Ana.", _publish="1"))
    assert "1 test case fails under this text" in page
    assert "It does not say “unicornio”." in page
    assert status_of(draft) == "draft"
    desk.post("prompts_version_publish", *ids, confirmed="1")
    assert status_of(draft) == "published"


def test_a_green_set_is_published_at_once_and_so_is_a_rollback(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    make_case(acme, must_not_contain="unicornio")
    ids = (draft.prompt_id, draft.pk)
    desk.post("prompts_version_test", *ids)
    run_drafts()
    desk.post("prompts_version_publish", *ids)
    assert status_of(draft) == "published"
    with tenant_scope(acme.id):
        first = PromptVersion.objects.get(prompt=draft.prompt, number=1)
    desk.post("prompts_version_publish", first.prompt_id, first.pk)
    assert status_of(first) == "published"


@pytest.mark.parametrize("model", [Agent, LLMEndpoint])
def test_a_set_that_nobody_can_answer_says_so(acme: House, model: Any) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    make_case(acme)
    with tenant_scope(acme.id):
        model.objects.update(is_active=False)
    acme.tenant.config_version += 1
    acme.tenant.save()
    ids = (draft.prompt_id, draft.pk)
    desk.post("prompts_version_test", *ids)
    run_drafts()
    assert "nobody can try it out" in text(desk.get("prompts_version_edit", *ids))
    with tenant_scope(acme.id):
        assert PromptTestRun.objects.get().status == "failed"


@pytest.mark.parametrize(
    ("field", "value"),
    [("pattern", "("), ("context", "[1]"), ("max_tokens", "0"), ("message", "")],
)
def test_a_case_that_cannot_be_tried_is_refused(acme: House, field: str, value: str) -> None:
    prompt = acme.agents["sales"].prompt
    form = {"prompt": str(prompt.pk), "message": "hola", "context": "{}"}
    desk = desk_of(acme)
    response = desk.post("prompts_prompttestcase_add", **form | {field: value})
    assert field in response.context["adminform"].form.errors
    assert desk.post("prompts_prompttestcase_add", **form).status_code == 302


def test_a_case_of_another_house_cannot_be_made_or_seen(acme: House, rival: House) -> None:
    case = make_case(acme)
    desk, prompt = desk_of(rival), acme.agents["sales"].prompt
    assert desk.get("prompts_prompttestcase_change", case.pk).status_code == 404
    form = {"prompt": str(prompt.pk), "message": "hola", "context": "{}"}
    response = desk.post("prompts_prompttestcase_add", **form)
    assert "prompt" in response.context["adminform"].form.errors


def test_no_page_runs_what_a_case_says(acme: House) -> None:
    desk, draft = desk_of(acme), draft_of(acme)
    make_case(acme, XSS, must_contain=XSS)
    ids = (draft.prompt_id, draft.pk)
    desk.post("prompts_version_test", *ids)
    run_drafts()
    pages = [desk.get("prompts_version_edit", *ids), desk.post("prompts_version_publish", *ids)]
    for page in [*pages, desk.get("prompts_prompttestcase_changelist")]:
        assert "<script>alert" not in text(page)
        assert "<img src=x" not in text(page)


def test_a_viewer_runs_no_tests(acme: House) -> None:
    draft = draft_of(acme)
    viewer = Desk(make_member(acme.tenant, "viewer", Membership.Role.VIEWER), acme.tenant)
    assert viewer.post("prompts_version_test", draft.prompt_id, draft.pk).status_code == 403
    assert desk_of(acme).get("prompts_version_test", draft.prompt_id, draft.pk).status_code == 405
