import asyncio
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command

from conversations.models import Task
from conversations.triggers import beside
from conversations.triggers.beside import triggers_running
from conversations.triggers.ticker import ScheduleTicker
from tenants.scope import scopes_disabled
from tests.cast import House
from tests.conversations.triggers import deliveries_of, make_delivery, make_endpoint, make_schedule
from tests.fakes.hostile_http import HostileServer

pytestmark = pytest.mark.django_db(transaction=True)


def num_tasks() -> int:
    with scopes_disabled():
        return Task.objects.count()


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not await sync_to_async(condition)():
            await asyncio.sleep(0.02)


async def test_beside_a_worker_schedules_fire_and_webhooks_are_sent(
    acme: House, settings: Any
) -> None:
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = True
    settings.ORKESTA_WORKER_SLEEP_SECONDS = 0.05
    async with HostileServer() as server:
        endpoint, _ = await sync_to_async(make_endpoint)(acme, url=server.url("/ok"))
        async with triggers_running():
            await sync_to_async(make_schedule)(acme, due_ago=timedelta(minutes=1))
            await sync_to_async(make_delivery)(endpoint)
            await until(lambda: num_tasks() == 1)
            await until(lambda: deliveries_of(acme)[0].status == "delivered")


async def test_what_hangs_when_the_process_ends_is_sent_by_the_next(
    acme: House, settings: Any
) -> None:
    settings.ORKESTA_ALLOW_PRIVATE_UPSTREAMS = True
    async with HostileServer() as server:
        endpoint, _ = await sync_to_async(make_endpoint)(acme, url=server.url("/hang"))
        await sync_to_async(make_delivery)(endpoint)
        async with asyncio.timeout(30):
            async with triggers_running():
                while not server.seen:
                    await asyncio.sleep(0.01)
    [delivery] = await sync_to_async(deliveries_of)(acme)
    assert (delivery.status, delivery.num_tries) == ("pending", 0)
    assert delivery.lease_until is not None


async def test_a_loop_that_breaks_says_so_and_the_rest_goes_on(
    acme: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ScheduleTicker):
        async def run_once(self) -> bool:
            raise RuntimeError("broken")

    monkeypatch.setattr(beside, "ScheduleTicker", Broken)
    async with triggers_running():
        async with asyncio.timeout(30):
            while "A loop of triggers ended" not in caplog.text:
                await asyncio.sleep(0.01)


def test_the_command_fires_what_is_due(acme: House, settings: Any) -> None:
    make_schedule(acme, due_ago=timedelta(minutes=1))
    call_command("run_scheduler", once=True, stdout=StringIO())
    assert num_tasks() == 1
    settings.IS_SQLITE = True
    with pytest.raises(CommandError, match=r"manage\.py serve"):
        call_command("run_scheduler")
