"""The conversations that the demo begins with: posted and answered the way any other is."""

import asyncio
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from uuid import UUID

from conversations.demo.content import Dialogue
from conversations.engine.worker import Worker
from conversations.services import close_session, open_session, post_message
from routing.gateway import Gateway
from routing.llm.client import LLMClient
from routing.tools.connections import close_connections
from tenants.models import Tenant
from tenants.principals import Principal, Scope
from tenants.scope import in_tenant, tenant_scope


def hold_dialogues(tenant: Tenant, dialogues: Sequence[Dialogue]) -> None:
    """Say what the customers say, each after the answer to what was said before. Blocks."""
    principal = Principal(tenant.id, tenant.slug, None, "demo", frozenset({Scope.CHAT_WRITE}))
    with tenant_scope(tenant.id):
        sessions = [_open(principal, dialogue) for dialogue in dialogues]
    asyncio.run(_converse(principal, sessions, dialogues))
    with tenant_scope(tenant.id):
        for session_id, dialogue in zip(sessions, dialogues, strict=True):
            if dialogue.is_closed:
                close_session(session_id=session_id)


def _open(principal: Principal, dialogue: Dialogue) -> UUID:
    session = open_session(
        principal=principal,
        user_ref=dialogue.user_ref,
        user_name=dialogue.user_name,
        metadata={"demo": True},
    )
    return session.id


async def _converse(
    principal: Principal, sessions: Sequence[UUID], dialogues: Sequence[Dialogue]
) -> None:
    """One message of every dialogue, then their answers, and so on. The LLM is the offline one,
    whatever the environment says: nobody asked for these conversations to cost money.
    """
    gateway = Gateway(LLMClient(offline_delay_seconds=0))
    worker = Worker(gateway=gateway)
    for messages in zip_longest(*(dialogue.messages for dialogue in dialogues)):
        for session_id, message in zip(sessions, messages, strict=True):
            if message is not None:
                post = partial(post_message, principal=principal, session_id=session_id)
                await in_tenant(principal.tenant_id, post, message=message)
        while await worker.run_once():
            pass
    await gateway.aclose()
    await close_connections()
