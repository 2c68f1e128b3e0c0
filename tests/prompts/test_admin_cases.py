from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync

from conversations.models import Message
from prompts.case_models import PromptTestCase
from prompts.experiments import start_experiment, stop_experiment
from tenants.models import Membership
from tenants.scope import tenant_scope
from tests.admin import Desk, desk_of
from tests.cast import House, make_member
from tests.drafts import answer_in_the_past, draft_of
from tests.engine import ask_fake_llm

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def said(acme: House) -> Message:
    """What a customer has said and was answered."""
    async_to_sync(answer_in_the_past)(ask_fake_llm(acme), "precio 1")
    with tenant_scope(acme.id):
        return Message.objects.get(role="user")


def cases(house: House) -> list[tuple[str, Any]]:
    with tenant_scope(house.id):
        return list(PromptTestCase.objects.values_list("message", "prompt__slug"))


def test_a_message_of_a_transcript_becomes_a_test_case(acme: House, said: Message) -> None:
    desk = desk_of(acme)
    page = desk.get("conversations_session_change", said.session_id).content.decode()
    assert "Save as test case" in page
    answer = desk.post("conversations_session_case", said.session_id, said.pk)
    assert "/admin/prompts/prompttestcase/" in answer["Location"]
    assert cases(acme) == [("precio 1", "sales")]


def test_nobody_else_makes_one_of_it(acme: House, rival: House, said: Message) -> None:
    viewer = Desk(make_member(acme.tenant, "viewer", Membership.Role.VIEWER), acme.tenant)
    answer = viewer.post("conversations_session_case", said.session_id, said.pk)
    assert answer.status_code == 403
    answer = desk_of(rival).post("conversations_session_case", said.session_id, said.pk)
    assert answer.status_code == 404
    assert desk_of(acme).post("conversations_session_case", uuid4(), said.pk).status_code == 404
    assert cases(acme) == []


def test_a_preview_with_a_real_message_becomes_one_too(acme: House, said: Message) -> None:
    draft, desk = draft_of(acme, "Di {{ context.color }}."), desk_of(acme)
    with tenant_scope(acme.id):
        type(said.task).objects.update(context={"color": "azul"})
    ids, turn = (draft.prompt_id, draft.pk), str(said.task_id)
    page = desk.post("prompts_version_preview", *ids, source=draft.source, turn=turn)
    assert "Di azul." in page.content.decode()
    answer = desk.post("prompts_version_case", *ids, turn=turn)
    # Its button posts in the background: a redirect would be filled into the page.
    assert answer.status_code == 200
    assert answer["HX-Redirect"].startswith("/admin/prompts/prompttestcase/")
    assert cases(acme) == [("precio 1", "sales")]
    assert desk.post("prompts_version_case", *ids, turn=str(uuid4())).status_code == 404


def test_a_challenger_is_called_one_as_long_as_it_is(acme: House) -> None:
    draft, desk = draft_of(acme), desk_of(acme)
    with tenant_scope(acme.id):
        experiment = start_experiment(challenger=draft, share=10)
        first = draft.prompt.versions.get(number=1)
    compare = ("prompts_version_compare", draft.prompt_id, draft.pk, first.pk)
    assert "v2 · Challenger" in desk.get(*compare).content.decode()
    listed = desk.get("prompts_prompt_change", draft.prompt_id).content.decode()
    assert "Challenger" in listed
    with tenant_scope(acme.id):
        stop_experiment(experiment=experiment)
    assert "v2 · Retired" in desk.get(*compare).content.decode()
