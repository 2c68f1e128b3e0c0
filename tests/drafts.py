"""Turning the crank of runs of drafts in tests: the real loop, and an LLM that behaves as told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asgiref.sync import async_to_sync

from conversations.drafts.loop import DraftLoop
from prompts.models import PromptVersion
from prompts.replay_models import PromptReplay, PromptReplayMessage
from prompts.replays import start_replay
from prompts.services import save_draft
from routing.gateway import Gateway
from tenants.scope import tenant_scope
from tests.cast import House
from tests.engine import apost, open_worker, run_until_idle
from tests.fakes.llm_door import open_door
from tests.fakes.llm_server import Behaviour, FakeLLM, says


@asynccontextmanager
async def open_drafts(*behaviours: Behaviour) -> AsyncIterator[tuple[DraftLoop, FakeLLM]]:
    """A loop whose LLM behaves as told, or is the one that comes with Orkesta."""
    async with open_door(*behaviours) as door:
        yield DraftLoop(gateway=Gateway(door.client)), door.fake


@async_to_sync
async def run_drafts() -> None:
    """Let all runs be done."""
    async with open_drafts() as (loop, _):
        await loop.run_until_idle()


async def answer_in_the_past(house: House, *texts: str, answer: str = "Cuesta 20.") -> None:
    """Messages that the agent for sales has answered, each in a session of its own."""
    async with open_worker(says(answer)) as (worker, _):
        for text in texts:
            await apost(house, text)
            await run_until_idle(worker)


def draft_of(house: House, source: str = "Eres Ana.", agent: str = "sales") -> PromptVersion:
    with tenant_scope(house.id):
        return save_draft(prompt=house.agents[agent].prompt, source=source)


def begin_replay(house: House, limit: int = 200, source: str = "Eres Ana.") -> PromptReplay:
    draft = draft_of(house, source)
    with tenant_scope(house.id):
        return start_replay(version=draft, limit=limit)


def replay_of(replay: PromptReplay) -> tuple[PromptReplay, list[PromptReplayMessage]]:
    """The replay and its messages as they are now."""
    with tenant_scope(replay.tenant_id):
        replay.refresh_from_db()
        return replay, list(replay.messages.order_by("position"))
