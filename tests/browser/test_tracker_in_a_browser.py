from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from conversations.models import Task
from tenants.scope import tenant_scope
from tests.browser.chromium import signed_in
from tests.cast import House
from tests.conversations.test_admin_tasks import queued

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def become(house: House, status: str) -> None:
    try:
        with tenant_scope(house.id):
            Task.objects.update(status=status)
    finally:
        connection.close()


def test_the_tracker_shows_news_by_itself_and_its_buttons_work(
    acme: House, live_server: Any
) -> None:
    task = queued(acme)
    with signed_in(live_server.url, "owner-acme") as visit, ThreadPoolExecutor(1) as others:
        page = visit.open("/admin/conversations/task/live/")
        others.submit(become, acme, "processing").result()
        page.wait_for_selector(".ork-part-running")
        others.submit(become, acme, "queued").result()
        page.wait_for_selector(".ork-part-running", state="detached")
        page.click(".ork-live-card >> text=Pause")
        page.click("#dialog button[type=submit]")
        page.wait_for_url(f"**/{task.pk}/change/")
        assert "The task is being paused." in page.inner_text("body")
        others.submit(become, acme, "processing").result()
        page.wait_for_selector("text=Processing")
        assert visit.complaints == []
    with tenant_scope(acme.id):
        assert Task.objects.get().status == "processing"
