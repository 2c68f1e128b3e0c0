from uuid import uuid4

import pytest

from conversations.engine.branching import branches_of
from conversations.engine.state import StepRecord
from conversations.models import Task
from conversations.states import StepKind, StepStatus
from prompts.errors import LabelReserved
from prompts.models import Prompt
from prompts.services import publish_version, remove_label, save_draft, set_label, spread_block
from prompts.tokens import count_tokens
from tenants.scope import tenant_scope
from tests.cast import House

pytestmark = pytest.mark.django_db


def test_every_prompt_with_an_older_version_of_a_block_is_published_anew(acme: House) -> None:
    prompts = [acme.agents[slug].prompt for slug in ("sales", "desk")]
    with tenant_scope(acme.id):
        block = Prompt.objects.create(slug="tono", name="Tono", kind="personality")
        publish_version(version=save_draft(prompt=block, source="De tú."))
        for prompt in prompts:
            publish_version(version=save_draft(prompt=prompt, source="Hola.\n[[tono]]"))
        publish_version(version=save_draft(prompt=block, source="De usted, siempre."))
        made = spread_block(block=block)
        live = [prompt.versions.get(status="published") for prompt in prompts]
        assert spread_block(block=block) == [], "there is nothing left to do"
    assert {version.pk for version in made} == {version.pk for version in live}
    assert [version.template for version in live] == ["Hola.\nDe usted, siempre."] * 2
    assert {version.num_tokens for version in live} == {count_tokens(live[0].template).count}


def test_nobody_moves_or_removes_the_label_of_what_is_published(acme: House) -> None:
    prompt = acme.agents["sales"].prompt
    with tenant_scope(acme.id):
        with pytest.raises(LabelReserved):
            set_label(prompt=prompt, name="production", version=prompt.versions.get())
        with pytest.raises(LabelReserved):
            remove_label(prompt=prompt, name="production")


def test_branches_are_told_what_their_task_is_told() -> None:
    parent = Task(tenant_id=uuid4(), session_id=uuid4(), seq=1, turn=1)
    parent.prompt_label, parent.task_type = "staging", "refund"
    branch = {"task_id": str(uuid4()), "agent": "sales", "instruction": ""}
    step = StepRecord(
        number=1,
        kind=StepKind.JOIN,
        status=StepStatus.STARTED,
        input={"branches": [branch], "note": ""},
    )
    (made,) = branches_of(parent, step, first=2)
    assert (made.prompt_label, made.task_type) == ("staging", "refund")
