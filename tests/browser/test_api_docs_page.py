import shutil
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.callers import make_key
from tests.cast import House

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NOT TESTED: no chromium on this machine"),
]


def try_chat_send(page: Page, key: str) -> int:
    """What a newcomer does first: paste the key, open the call, press the button."""
    page.get_by_role("button", name="Authorize").click()
    page.locator(".auth-container input").first.fill(key)
    page.locator(".auth-container button[type=submit]").first.click()
    page.locator(".btn-done").first.click()
    call = page.locator("#operations-chat-chat_send")
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    with page.expect_response("**/api/v1/chat/send") as answered:
        call.get_by_role("button", name="Execute").click()
    return answered.value.status


def test_a_newcomer_tries_the_api_on_its_page_without_another_host(
    transactional_db: None, acme: House, live_server: Any
) -> None:
    key = make_key(acme.tenant)
    hosts: set[str] = set()
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.on("request", lambda request: hosts.add(str(urlsplit(request.url).hostname)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # The content security policy complains here.
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else 0)
        page.goto(f"{live_server.url}/api/docs/")
        page.wait_for_selector("#operations-chat-chat_send")
        assert try_chat_send(page, key) == 202
        browser.close()
    assert complaints == []
    assert hosts == {urlsplit(live_server.url).hostname}
