"""The conversations that the demo begins with: posted and answered the way any other is."""

import asyncio
from collections.abc import Iterable

from conversations.demo.content import Dialogue
from conversations.engine.worker import Worker
from conversations.models import Session
from conversations.services import close_session, open_session, post_message
from routing.gateway import Gateway
from routing.llm.client import LLMClient
from tenants.models import Tenant
from tenants.principals import Principal, Scope
from tenants.scope import tenant_scope


def hold_dialogues(tenant: Tenant, dialogues: Iterable[Dialogue]) -> None:
    """Say what the customers say, and let a worker answer all of it. Blocks until it has."""
    principal = Principal(tenant.id, tenant.slug, None, "demo", frozenset({Scope.CHAT_WRITE}))
    with tenant_scope(tenant.id):
        sessions = [(_say(principal, dialogue), dialogue) for dialogue in dialogues]
    asyncio.run(_answer())
    with tenant_scope(tenant.id):
        for session, dialogue in sessions:
            if dialogue.is_closed:
                close_session(session_id=session.id)


def _say(principal: Principal, dialogue: Dialogue) -> Session:
    session = open_session(
        principal=principal,
        user_ref=dialogue.user_ref,
        user_name=dialogue.user_name,
        metadata={"demo": True},
    )
    for message in dialogue.messages:
        post_message(principal=principal, session_id=session.id, message=message)
    return session


async def _answer() -> None:
    gateway = Gateway(LLMClient(offline_delay_seconds=0))
    worker = Worker(gateway=gateway)
    while await worker.run_once():
        pass
    await gateway.aclose()
