import asyncio
import os
from typing import Any

import pytest

from conversations.models import Step, Task
from prompts.case_models import PromptTestCase
from prompts.models import Prompt
from prompts.services import publish_version, save_draft
from tenants.scope import tenant_scope
from tests.admin import make_turn
from tests.browser.chromium import DESKTOP, PHONE, signed_in
from tests.cast import House
from tests.engine import apost, ask_fake_llm, open_worker, run_until_idle
from tests.fakes.llm_server import says

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
        page.get_by_text("Block: personality").wait_for()
        page.get_by_role("button", name="Save draft").click()
        page.get_by_text("Draft v2 is saved.").wait_for()
        page.get_by_role("button", name="Run the test set").click()
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
