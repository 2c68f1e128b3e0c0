"""A message while the agent still answers: each agent declares what becomes of it."""

from contextlib import suppress
from uuid import UUID

from conversations.errors import SessionBusy, SessionNotFound
from conversations.models import Session, Task
from conversations.services.tasks import cancel_task
from conversations.states import UNFINISHED
from orkesta.errors import StateConflict
from routing.models import Agent


def make_room(*, session_id: UUID, agent_slug: str = "") -> None:
    """Let the session's unfinished tasks be (`enqueue`), refuse the message (`reject`), or cancel
    them (`interrupt`), as the agent that the message is for says.

    To be called before the session is locked: tasks are locked before their session, everywhere.
    Raises SessionNotFound and SessionBusy.
    """
    session = Session.objects.select_related("active_agent").filter(pk=session_id).first()
    if session is None:
        raise SessionNotFound
    agent = session.active_agent
    if agent_slug and (agent is None or agent.slug != agent_slug):
        agent = Agent.objects.filter(slug=agent_slug).first()
    if agent is None or agent.while_busy == Agent.WhileBusy.ENQUEUE:
        return
    unfinished = Task.objects.filter(session_id=session_id, status__in=sorted(UNFINISHED))
    task_ids = list(unfinished.order_by("seq").values_list("pk", flat=True))
    if task_ids and agent.while_busy == Agent.WhileBusy.REJECT:
        raise SessionBusy
    for task_id in task_ids:
        with suppress(StateConflict):  # it ended in the meantime
            cancel_task(task_id=task_id)
