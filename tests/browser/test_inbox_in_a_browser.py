import os
from typing import Any

import pytest

from conversations.input_models import InputRequest
from tenants.scope import tenant_scope
from tests.admin import XSS
from tests.browser.chromium import DESKTOP, PHONE, signed_in
from tests.cast import House
from tests.conversations.waiting import make_waiting

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_page_fits_and_complains_of_nothing(
    acme: House, live_server: Any, size: dict[str, int]
) -> None:
    asked = make_waiting(acme, arguments={"sku": "TUB-050", "note": f"{XSS} {'x' * 300}"})
    question = make_waiting(acme, f"{XSS} ¿Cuántos metros?", kind="question", tool_name="")
    pages = {
        "list": "conversations/inputrequest/",
        "approval": f"conversations/inputrequest/{asked.pk}/change/",
        "question": f"conversations/inputrequest/{question.pk}/change/",
        "task": f"conversations/task/{asked.task_id}/change/",
    }
    with signed_in(live_server.url, "owner-acme", size=size) as visit:
        for name, path in pages.items():
            page = visit.open(f"/admin/{path}")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], name
            shoot(page, f"{name}-{size['width']}")
        assert visit.complaints == []


def test_nothing_is_approved_by_mistake(acme: House, live_server: Any) -> None:
    asked = make_waiting(acme)
    with signed_in(live_server.url, "owner-acme") as visit:
        page = visit.open("/admin/conversations/inputrequest/")
        page.get_by_role("link", name="refund").click()
        page.fill("textarea[name=arguments]", "{")
        page.get_by_role("button", name="Approve with these arguments").click()
        page.get_by_text("The arguments are not valid JSON.").wait_for()
        assert page.input_value("textarea[name=arguments]") == "{"
        shoot(page, "refused")
        page.get_by_role("button", name="Approve as it is").click()
        page.get_by_text("You have changed the arguments.").wait_for()
        page.get_by_role("button", name="Refuse").click()
        page.get_by_text("It has been refused").wait_for()
    with tenant_scope(acme.id):
        assert InputRequest.objects.get(pk=asked.pk).status == "rejected"


def shoot(page: Any, name: str) -> None:
    folder = os.environ.get("SHOTS")
    if folder:
        page.screenshot(path=f"{folder}/inbox-{name}.png", full_page=True)
