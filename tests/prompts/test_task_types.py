from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, transaction

from prompts.composition import compose
from prompts.models import Prompt, PromptVersion
from prompts.services import publish_version, save_draft
from tenants.scope import in_tenant, tenant_scope
from tests.admin import desk_of
from tests.callers import Caller
from tests.cast import House
from tests.engine import ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import FakeLLM, says

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Eres {{ agent.name }}.\n[[tono]]\n[[ventas]]\n[[devoluciones]]"
DECLARED = [{"name": "folio", "type": "string", "required": True, "sample": "A1"}]


def make_block(slug: str, kind: str, source: str, task_type: str = "conversation") -> None:
    block = Prompt.objects.create(slug=slug, name=slug, kind=kind, task_type=task_type)
    block.variables = DECLARED if "folio" in source else []
    block.save()
    publish_version(version=save_draft(prompt=block, source=source))


def furnish(house: House) -> PromptVersion:
    with tenant_scope(house.id):
        make_block("tono", "personality", "Habla de tú.")
        make_block("ventas", "instructions", "Cotiza.")
        make_block("devoluciones", "instructions", "Pide el folio {{ folio }}.", "refund")
        draft = save_draft(prompt=house.agents["sales"].prompt, source=TEXT)
        return publish_version(version=draft)


@pytest.fixture
def version(acme: House) -> PromptVersion:
    return furnish(ask_fake_llm(acme))


def send(api: Caller, address: str = "/api/v1/chat/send", **values: Any) -> str:
    answer = api.post(address, values)
    assert answer.status_code == 202, answer.content
    task_id: str = answer.json()["task_id"]
    return task_id


def told(fake: FakeLLM) -> str:
    content: str = fake.calls[-1].body["messages"][0]["content"]
    return content


@pytest.mark.usefixtures("version")
async def test_a_task_is_told_the_instructions_of_its_type(acme: House, acme_api: Caller) -> None:
    refund = {"task_type": "refund", "agent": "sales", "context": {"folio": "B7"}}
    asend = sync_to_async(send)
    async with open_worker(says("Ya.")) as (worker, fake):
        task_id = await asend(acme_api, message="devolver", **refund)
        await run_until_idle(worker)
        assert told(fake) == "Eres Sales.\nHabla de tú.\nPide el folio B7."
        await asend(acme_api, "/api/v1/execute", input="devolver", kind="agent", **refund)
        await run_until_idle(worker)
        assert told(fake).endswith("Pide el folio B7.")
        # Of no type, and of one that there are no instructions for: the prompt's own.
        for other in ({}, {"task_type": "poem"}):
            await asend(acme_api, message="precio", agent="sales", **other)
            await run_until_idle(worker)
            assert told(fake) == "Eres Sales.\nHabla de tú.\nCotiza."
    story = await story_of(acme, task_id)
    assert [step.output.get("task_type") for step in story.steps] == ["refund", None]
    assert story.steps[1].input["task_type"] == "refund"
    shown = await sync_to_async(acme_api.get)(f"/api/v1/tasks/{task_id}")
    assert shown.json()["task_type"] == "refund"


async def test_a_prompt_says_what_its_tasks_are(acme: House, version: PromptVersion) -> None:
    def change() -> PromptVersion:
        Prompt.objects.filter(pk=version.prompt_id).update(task_type="refund")
        prompt = Prompt.objects.get(pk=version.prompt_id)
        return save_draft(prompt=prompt, source=TEXT)

    draft = await in_tenant(acme.id, change)
    assert draft.template.endswith("Pide el folio {{ folio }}.")
    assert list(draft.variants) == ["conversation"]


def test_a_retry_keeps_the_type(acme: House, acme_api: Caller) -> None:
    task_id = send(acme_api, message="devolver", task_type="refund")
    assert acme_api.post("/api/v1/chat/cancel", {"task_id": task_id}).status_code == 200
    fork = acme_api.post(f"/api/v1/tasks/{task_id}/fork", {"after_step": 0})
    shown = acme_api.get(f"/api/v1/tasks/{fork.json()['task_id']}").json()
    assert (fork.status_code, shown["task_type"]) == (202, "refund")


def test_each_part_says_whom_it_is_for_and_tokens_are_of_what_is_told(
    acme: House, version: PromptVersion, acme_api: Caller
) -> None:
    with tenant_scope(acme.id):
        composition = compose(TEXT, prompt=version.prompt)
    assert [part.task_type for part in composition.parts] == ["", "", "conversation", "refund"]
    parts = acme_api.get("/api/v1/prompts/sales/versions/2/parts").json()
    assert [part["task_type"] for part in parts] == ["", "", "conversation", "refund"]
    place = "/api/v1/prompts/sales/versions/2/render"
    plain = acme_api.post(place, {}).json()
    refund = acme_api.post(place, {"task_type": "refund"}).json()
    assert plain["text"].endswith("Habla de tú.\nCotiza.")
    assert refund["text"].endswith("Habla de tú.\nPide el folio A1.")
    assert version.num_tokens < composition_tokens(parts)


def composition_tokens(parts: list[dict[str, Any]]) -> int:
    return sum(part["num_tokens"] for part in parts)


def test_the_database_keeps_what_other_types_were_told(acme: House, version: PromptVersion) -> None:
    with tenant_scope(acme.id), pytest.raises(IntegrityError), transaction.atomic():
        PromptVersion.objects.filter(pk=version.pk).update(variants={"refund": "Otra."})


def test_the_editor_previews_each_type(acme: House, version: PromptVersion) -> None:
    desk = desk_of(acme)
    place = f"/admin/prompts/prompt/{version.prompt_id}/versions/{version.pk}/preview/"
    page = desk.client.post(place, {"source": TEXT, "task_type": "refund"}).content.decode()
    assert "Pide el folio A1." in page
    assert 'class="ork-not-told"' in page
    assert "Only for tasks of the type “refund”." in page
    assert '<option value="refund" selected>' in page
    assert "Pide el folio" not in desk.client.post(place, {"source": TEXT}).content.decode()
