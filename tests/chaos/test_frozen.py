import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db.models import F

from conversations.engine import claims
from conversations.engine.claims import Claim
from conversations.engine.runner import Runner
from conversations.engine.worker import Worker
from conversations.models import Task
from orkesta.database import in_thread
from routing.gateway import Gateway
from tenants.scope import scopes_disabled
from tests.cast import House
from tests.chaos.checker import faults_in
from tests.chaos.history import Acknowledged, History
from tests.chaos.test_checker import TEXT, rows
from tests.engine import apost, ask_fake_llm, run_until_idle
from tests.fakes.llm_door import open_door
from tests.fakes.llm_server import Behaviour, Call, says
from tests.production.upstream import answer_to

pytestmark = pytest.mark.django_db(transaction=True)


def says_when(is_time: asyncio.Event, asked: asyncio.Event, behaviour: Behaviour) -> Behaviour:
    async def behave(call: Call) -> None:
        asked.set()
        await is_time.wait()
        await behaviour(call)

    return behave


def claim_and_lose() -> Claim:
    """What a worker owns that nobody has heard of for a while."""
    [claim] = claims.claim_tasks(worker="frozen", limit=1)
    with scopes_disabled():
        Task.objects.update(lease_until=F("lease_until") - timedelta(minutes=1))
    return claim


async def test_who_stood_still_adds_nothing_to_what_another_has_done(
    acme: House, caplog: pytest.LogCaptureFixture
) -> None:
    shop, wakes, asked = await sync_to_async(ask_fake_llm)(acme), asyncio.Event(), asyncio.Event()
    answer = says(answer_to(TEXT))
    async with open_door(says_when(wakes, asked, answer), answer) as door, asyncio.timeout(30):
        posted = await apost(shop, TEXT)
        gateway = Gateway(door.client)
        frozen = asyncio.create_task(Runner(await in_thread(claim_and_lose), gateway).run())
        await asked.wait()
        await run_until_idle(Worker(gateway=gateway))
        wakes.set()
        await frozen
    told = Acknowledged(TEXT, str(posted.task.id), str(posted.session_id))
    assert await sync_to_async(faults_in)(History([told]), rows) == []
    assert "a write of attempt 1 was fenced" in caplog.text
