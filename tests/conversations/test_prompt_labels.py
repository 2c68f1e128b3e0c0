from typing import Any

import pytest
from asgiref.sync import sync_to_async

from prompts.models import PromptVersion
from prompts.services import edit_draft, set_label
from tenants.scope import in_tenant, tenant_scope
from tests.callers import Caller, make_key
from tests.cast import House
from tests.drafts import draft_of
from tests.engine import ask_fake_llm, open_worker, run_until_idle, story_of
from tests.fakes.llm_server import FakeLLM, says

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(acme: House) -> House:
    return ask_fake_llm(acme)


def label_draft(house: House, source: str = "Eres el borrador.") -> PromptVersion:
    draft = draft_of(house, source)
    with tenant_scope(house.id):
        set_label(prompt=draft.prompt, name="staging", version=draft)
    return draft


def told(fake: FakeLLM, call: int = -1) -> str:
    return fake.calls[call].body["messages"][0]["content"]


def send(api: Caller, **values: Any) -> str:
    answer = api.post("/api/v1/chat/send", {"message": "precio", **values})
    assert answer.status_code == 202, answer.content
    return answer.json()["task_id"]


async def test_a_task_is_told_the_version_with_its_label(shop: House, acme_api: Caller) -> None:
    draft = await sync_to_async(label_draft)(shop)
    async with open_worker(says("Ya.")) as (worker, fake):
        pinned = await sync_to_async(send)(acme_api, prompt_label="staging")
        await run_until_idle(worker)
        assert told(fake).startswith("Eres el borrador.")
        await sync_to_async(send)(acme_api)
        await run_until_idle(worker)
        assert told(fake).startswith("You are Sales."), "others are told what is published"
        # Prompts without the label have the published version told.
        await sync_to_async(send)(acme_api, prompt_label="staging", message="hola", agent="desk")
        await run_until_idle(worker)
        assert told(fake).startswith("You are Desk.")
    story = await story_of(shop, pinned)
    assert story.steps[0].output["prompt_label"] == "staging"
    assert story.steps[1].prompt_version_id == draft.pk
    shown = await sync_to_async(acme_api.get)(f"/api/v1/tasks/{pinned}")
    assert shown.json()["prompt_label"] == "staging"


async def test_an_edited_draft_is_told_by_its_label_at_once(shop: House, acme_api: Caller) -> None:
    draft = await sync_to_async(label_draft)(shop)
    async with open_worker(says("Ya.")) as (worker, fake):
        await sync_to_async(send)(acme_api, prompt_label="staging")
        await run_until_idle(worker)
        await in_tenant(shop.id, _edit, draft)
        await sync_to_async(send)(acme_api, prompt_label="staging")
        await run_until_idle(worker)
    assert told(fake).startswith("Eres otro.")


def _edit(draft: PromptVersion) -> None:
    edit_draft(version=draft, source="Eres otro.")


def test_every_door_takes_a_label_and_refuses_one_that_nobody_has(acme_api: Caller) -> None:
    bodies = {
        "/api/v1/chat/send": {"message": "hola", "prompt_label": "nope"},
        "/api/v1/execute": {"input": "hola", "prompt_label": "nope"},
        "/api/v1/batches": {"requests": [{"message": "hola", "prompt_label": "nope"}]},
    }
    for address, body in bodies.items():
        answer = acme_api.post(address, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_prompt_label"), address
    assert (
        acme_api.post(
            "/api/v1/chat/send", {"message": "a", "prompt_label": "production"}
        ).status_code
        == 202
    )


def test_whoever_may_not_read_prompts_has_nobody_told_a_draft(acme: House) -> None:
    label_draft(acme)
    customer = Caller(make_key(acme.tenant, scopes=["chat:write"]))
    body = {"message": "hola", "prompt_label": "staging"}
    answer = customer.post("/api/v1/chat/send", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    body["prompt_label"] = "production"
    assert customer.post("/api/v1/chat/send", body).status_code == 202


def test_a_label_of_another_house_is_unknown(acme: House, rival_api: Caller) -> None:
    label_draft(acme)
    answer = rival_api.post("/api/v1/chat/send", {"message": "hola", "prompt_label": "staging"})
    assert answer.json()["code"] == "unknown_prompt_label"
