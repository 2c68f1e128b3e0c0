"""A message while the agent still answers: each agent declares what becomes of it."""

from contextlib import suppress
from typing import Any, Final, cast
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery, UUIDField
from django.db.models.functions import Now

from conversations.errors import SessionBusy, SessionNotFound
from conversations.input_models import InputRequest
from conversations.models import Session, Task
from conversations.services.tasks import cancel_task
from conversations.states import UNFINISHED, Audience, InputKind, InputStatus, TaskStatus
from orkesta.database import take_turns
from orkesta.errors import StateConflict
from orkesta.statements import Param
from routing.models import Agent
from tenants.statements import select


def _asking() -> QuerySet[InputRequest, Any]:
    """The task of the session that waits for the customer's answer."""
    return InputRequest.objects.filter(
        task__session=OuterRef("pk"),
        task__status=TaskStatus.INPUT_REQUIRED,
        status=InputStatus.PENDING,
        kind=InputKind.QUESTION,
        audience=Audience.CUSTOMER,
        expires_at__gt=Now(),
    ).values("task")[:1]


_ACTIVE_AGENT: Final = select(
    lambda: Session.objects.filter(pk=Param("session_id", UUIDField())).values_list(
        "active_agent__slug", "active_agent__while_busy", Subquery(_asking())
    )
)


def make_room(*, session_id: UUID, agent_slug: str = "") -> UUID | None:
    """Let the session's unfinished tasks be (`enqueue`), refuse the message (`reject`), or cancel
    them (`interrupt`), as the agent that the message is for says. Except when one of them waits for
    the customer's answer: then that one's id is returned, and nothing else is done.

    To be called before the session is locked: tasks are locked before their session, everywhere.
    Raises SessionNotFound and SessionBusy.
    """
    rows = _ACTIVE_AGENT(session_id=session_id)
    if not rows:
        raise SessionNotFound
    slug, while_busy, asking = rows[0]
    if asking is not None:
        return cast("UUID", asking)
    if agent_slug and slug != agent_slug:
        asked_for = Agent.objects.filter(slug=agent_slug)
        while_busy = asked_for.values_list("while_busy", flat=True).first()
    if while_busy is None or while_busy == Agent.WhileBusy.ENQUEUE:
        return None
    # Of two messages at once, each would else find the session free.
    take_turns(f"session {session_id}")
    unfinished = Task.objects.filter(session_id=session_id, status__in=sorted(UNFINISHED))
    task_ids = list(unfinished.order_by("seq").values_list("pk", flat=True))
    if task_ids and while_busy == Agent.WhileBusy.REJECT:
        raise SessionBusy
    for task_id in task_ids:
        with suppress(StateConflict):  # it ended in the meantime
            cancel_task(task_id=task_id)
    return None
