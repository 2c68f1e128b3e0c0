"""Headless Chromium for tests: the system's own, nothing is downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

DESKTOP = {"width": 1440, "height": 857}
PHONE = {"width": 390, "height": 844}


@dataclass
class Visit:
    """A browser that somebody signed in with, and what it complained of."""

    page: Page
    url: str
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def watch(self) -> None:
        page = self.page
        page.on("request", lambda request: self.hosts.add(str(urlsplit(request.url).hostname)))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # A dialog is what an injected alert() opens.
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )


def chromium() -> str:
    """Its path. Without one the test is skipped, and in CI (`CI=true`) it fails."""
    path = shutil.which("chromium")
    if path is not None:
        return path
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail("no chromium on this machine")
    pytest.skip("NOT TESTED: no chromium on this machine")


@contextmanager
def signed_in(
    url: str, username: str, *, size: dict[str, int] = DESKTOP, language: str = "en"
) -> Iterator[Visit]:
    """Sign in as a person would. Ask the database only before or after: Django refuses to be asked
    while Playwright's event loop runs in the same thread.
    """
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        context = browser.new_context(viewport=size, locale="en-US")  # type: ignore[arg-type]
        context.add_cookies([{"name": "django_language", "value": language, "url": url}])
        visit = Visit(context.new_page(), url)
        visit.watch()
        visit.page.set_default_timeout(60_000)
        visit.open("/admin/login/")
        visit.page.fill("#id_username", username)
        visit.page.fill("#id_password", "pass")
        visit.page.click("#login-form button[type=submit]")
        visit.page.wait_for_url("**/admin/")
        yield visit
        browser.close()
