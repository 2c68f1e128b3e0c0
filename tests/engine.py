"""Turning the engine's crank in tests: a real worker, the real LLM client, a scripted upstream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

from conversations.engine.worker import Worker
from conversations.models import Event, Message, Session, Step, Task
from conversations.services import PostedMessage, post_message
from routing.gateway import Gateway
from routing.models import LLMEndpoint
from tenants.principals import Principal
from tenants.scope import in_tenant, tenant_scope
from tests.cast import House
from tests.fakes.llm_door import QUICK, open_door
from tests.fakes.llm_server import FAKE_BASE_URL, Behaviour, FakeLLM


def principal_of(house: House) -> Principal:
    return Principal(
        tenant_id=house.id,
        tenant_slug=house.tenant.slug,
        key_id=None,
        key_name="test",
        scopes=frozenset({"chat:write"}),
    )


def ask_fake_llm(house: House) -> House:
    """Let the house's agents ask the scripted upstream."""
    with tenant_scope(house.id):
        LLMEndpoint.objects.update(base_url=FAKE_BASE_URL, llm="fake-1")
    return house


def post(house: House, text: str, session_id: UUID | None = None, **values: Any) -> PostedMessage:
    with tenant_scope(house.id):
        return post_message(
            principal=principal_of(house), message=text, session_id=session_id, **values
        )


async def apost(
    house: House, text: str, session_id: UUID | None = None, **values: Any
) -> PostedMessage:
    return await in_tenant(
        house.id,
        post_message,
        principal=principal_of(house),
        message=text,
        session_id=session_id,
        **values,
    )


@asynccontextmanager
async def open_worker(*behaviours: Behaviour) -> AsyncIterator[tuple[Worker, FakeLLM]]:
    """A worker whose LLM behaves as told; turn it with `run_once`."""
    async with open_door(*behaviours, retry=QUICK) as door:
        yield Worker(gateway=Gateway(door.client)), door.fake


async def run_until_idle(worker: Worker) -> None:
    while await worker.run_once():
        pass


class Story:
    """What the database says of one task."""

    def __init__(self, house: House, task_id: UUID) -> None:
        with tenant_scope(house.id):
            self.task = Task.objects.get(pk=task_id)
            self.session = Session.objects.get(pk=self.task.session_id)
            self.steps = list(Step.objects.filter(task_id=task_id).order_by("number"))
            self.messages = list(Message.objects.filter(task_id=task_id).order_by("seq"))
            self.events = list(Event.objects.filter(session=self.session).order_by("seq"))

    @property
    def answer(self) -> str | None:
        return next((m.content for m in self.messages if m.role == "assistant"), None)

    @property
    def event_types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def statuses(self) -> list[str]:
        return [e.data["status"] for e in self.events if e.type == "task.status_changed"]


async def story_of(house: House, task_id: UUID) -> Story:
    return await sync_to_async(Story)(house, task_id)
