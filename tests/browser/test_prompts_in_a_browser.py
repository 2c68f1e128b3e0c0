import asyncio
import os
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connections

from conversations.models import Step, Task
from prompts.case_models import PromptTestCase
from prompts.models import Prompt
from prompts.services import publish_version, save_draft
from tenants.scope import tenant_scope
from tests.admin import make_turn
from tests.browser.chromium import DESKTOP, PHONE, signed_in
from tests.cast import House
from tests.drafts import answer_in_the_past, draft_of, open_drafts, run_drafts
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle
from tests.fakes.llm_server import says
from tests.fakes.llm_server import status as answers_with

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEW = "Hola, soy {{ agent.name }}.\n[[tono]]\nTermina con un unicornio."


def furnish(house: House) -> Prompt:
    """A block, a test case, and some traffic under the first version."""
    prompt = house.agents["sales"].prompt
    with tenant_scope(house.id):
        block = Prompt.objects.create(slug="tono", name="Tono", kind="personality")
        publish_version(version=save_draft(prompt=block, source="Habla de tú."))
        PromptTestCase.objects.create(prompt=prompt, message="hola", must_not_contain="dragón")
        first = prompt.versions.get()
    for status in ("completed", "failed"):
        task = make_turn(house.tenant)
        with tenant_scope(house.id):
            Task.objects.filter(pk=task.pk).update(status=status)
            Step.objects.filter(task=task, kind="model").update(prompt_version=first)
    return prompt


def shoot(page: Any, name: str) -> None:
    folder = os.environ.get("ORKESTA_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def elsewhere(act: Callable[[], None]) -> None:
    """In another thread: in this one Playwright's loop runs."""

    def act_and_close() -> None:
        act()
        connections.close_all()

    thread = Thread(target=act_and_close)
    thread.start()
    thread.join()


async def told_to_the_llm(house: House) -> str:
    async with open_worker(says("¡Hola!")) as (worker, fake):
        await apost(house, "price")
        await run_until_idle(worker)
    content: str = fake.calls[0].body["messages"][0]["content"]
    return content


def test_a_text_is_written_looked_at_compared_published_and_told(
    acme: House, live_server: Any
) -> None:
    prompt = furnish(acme)
    with signed_in(live_server.url, "owner-acme") as visit:
        page = visit.open(f"/admin/prompts/prompt/{prompt.pk}/change/")
        page.get_by_text("Failed: 50%").wait_for()
        shoot(page, "prompt")
        page.get_by_role("button", name="New draft from it").first.click()
        page.fill("#id_source", NEW + "\n{{ customer }}")
        page.get_by_text("Nobody declared").wait_for()
        page.fill("#id_source", NEW)
        page.get_by_text("Hola, soy Sales.").wait_for()
        page.get_by_text("Habla de tú.").wait_for()
        page.get_by_role("cell", name="Block: personality").wait_for()
        page.get_by_role("button", name="Save draft").click()
        page.get_by_text("Draft v2 is saved.").wait_for()
        page.get_by_role("button", name="Run the test set").click()
        page.get_by_text("0 / 1").wait_for()
        elsewhere(run_drafts)
        page.get_by_text("1 passed, 0 failed").wait_for()
        shoot(page, "editor")
        visit.open(f"/admin/prompts/prompt/{prompt.pk}/change/")
        page.get_by_role("link", name="Compare").first.click()
        page.locator("mark").first.wait_for()
        shoot(page, "compare")
        page.get_by_role("button", name="Publish v2").click()
        page.get_by_text("v2 is live").wait_for()
        assert visit.complaints == []
    ask_fake_llm(acme)
    told = asyncio.run(told_to_the_llm(acme))
    assert told == "Hola, soy Sales.\nHabla de tú.\nTermina con un unicornio."


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_experiment_is_started_on_any_screen(
    acme: House, live_server: Any, size: dict[str, int]
) -> None:
    prompt = furnish(acme)
    with tenant_scope(acme.id):
        save_draft(prompt=prompt, source="Retador.")
    with signed_in(live_server.url, "owner-acme", size=size, language="es") as visit:
        page = visit.open(f"/admin/prompts/prompt/{prompt.pk}/change/")
        page.get_by_label("Versión").first.fill("v2")
        page.get_by_role("button", name="10 %").click()
        page.get_by_text("El 10 % de las sesiones").wait_for()
        shoot(page, f"experiment-{size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert visit.complaints == []


OLD = "El tubo de PVC cuesta 20 pesos.\nTenemos 40 en la sucursal centro."
NEWER = "¡Hola! El tubo de PVC cuesta 20 pesos.\nTenemos 40 en la sucursal centro.\n¿Te aparto uno?"


@async_to_sync
async def replay_all() -> None:
    async with open_drafts(says(NEWER), says(OLD), answers_with(400), says("No sé.")) as (loop, _):
        await loop.run_until_idle()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_draft_is_heard_on_real_messages_before_it_is_live(
    acme: House, live_server: Any, size: dict[str, int]
) -> None:
    draft = draft_of(ask_fake_llm(acme), "Saluda a {{ user.name }} y di el precio.")
    asked = [f"¿Qué precio tiene el tubo {number}?" for number in (1, 2, 3)]
    asyncio.run(answer_in_the_past(acme, *asked, answer=OLD))
    place = f"/admin/prompts/prompt/{draft.prompt_id}/versions/{draft.pk}/"
    with signed_in(live_server.url, "owner-acme", size=size, language="es") as visit:
        page = visit.open(place)
        page.get_by_label("Vista previa con").select_option(index=1)
        page.get_by_text("Vista previa con un mensaje real").wait_for()
        shoot(page, f"real-preview-{size['width']}")
        page.get_by_role("link", name="Repasar mensajes reales").click()
        page.get_by_text("Costo estimado").wait_for()
        shoot(page, f"replay-start-{size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.get_by_role("button", name="Repasar 3 mensajes").click()
        page.get_by_text("0 / 3").wait_for()
        shoot(page, f"replay-running-{size['width']}")
        elsewhere(replay_all)
        page.get_by_text("Mismo agente 2").wait_for()
        page.get_by_text("¿Te aparto uno?").wait_for()
        shoot(page, f"replay-{size['width']}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.get_by_role("button", name="Publicar v2").click()
        page.get_by_text("3 mensajes reales con este texto").wait_for()
        shoot(page, f"replay-publish-{size['width']}")
        page.get_by_role("button", name="Publicar v2").click()
        page.get_by_text("v2").first.wait_for()
        assert visit.complaints == []
