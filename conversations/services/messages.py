"""A message comes in: it and the task it sets going are written together, or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, F, IntegerField, Q
from django.utils import timezone

from conversations.engine.dispatch import at_once, dispatch_on_commit
from conversations.errors import (
    MessageEmpty,
    MessageTooLong,
    SessionExhausted,
    SessionNotFound,
    UnknownAgent,
)
from conversations.event_log import (
    Fact,
    Place,
    find_numbers,
    number_and_write,
    numbering,
    take_numbers,
    write,
)
from conversations.models import Message, Session, Task
from conversations.plan import agents_of, leading_agent
from conversations.services.busy import make_room
from conversations.services.inputs import give_input
from conversations.services.labels import check_label
from conversations.services.sessions import check_is_open, lock_session, open_session
from conversations.services.tasks import lock_task
from conversations.states import InputAction, SessionStatus, TaskStatus
from orkesta.failpoints import Failpoint, failpoint
from orkesta.insertions import Nth, collecting, inserting_together
from orkesta.statements import Param
from routing.selectors import has_active_agent
from tenants.allowances import Allowance, allowance_of
from tenants.principals import Principal
from tenants.statements import insert

_NOW: Final = Param("now", DateTimeField())


def _takes_messages() -> Q:
    """What `_check_takes_messages` checks, in the statement that also takes the message's place."""
    limit = Param("limit", IntegerField())
    return Q(status=SessionStatus.OPEN, expires_at__gt=_NOW, num_messages__lt=limit)


_ACCEPTING: Final = numbering(
    lambda: {
        "num_messages": F("num_messages") + 1,
        "last_activity_at": _NOW,
        "expires_at": Param("expires_at", DateTimeField()),
    },
    where=_takes_messages,
)


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """What `post_message` wrote."""

    session_id: UUID
    message: Message
    task: Task


@transaction.atomic
@inserting_together()
def post_message(
    *,
    principal: Principal,
    message: str,
    session_id: UUID | None = None,
    agent: str = "",
    context: Mapping[str, Any] | None = None,
    user_ref: str = "",
    user_name: str = "",
    metadata: Mapping[str, Any] | None = None,
    batch_id: UUID | None = None,
    priority: int | None = None,
    prompt_label: str = "",
    task_type: str = "",
    plan: Sequence[Mapping[str, Any]] = (),
) -> PostedMessage:
    """Accept a message: 1. mind what the session is busy with, or open one, 2. lock the session and
    take the message's place in its order, 3. write message, task and events, 4. after commit, tell
    watchers and wake a worker. When a task of the session waits for the customer's answer, this is
    the answer, and the task is that one.

    With a `plan`, agents answer in turn, each with its `{"agent": slug, "instruction": text}`, and
    the last one's answer is the task's; those of a `{"parallel": [...]}` work at the same time, and
    the next one puts together what they found. Of tasks that wait, those of a higher `priority` (1
    to 10; None is the tier's) begin first. With a `prompt_label`, agents are told what carries it;
    with a `task_type`, the instructions for it.
    Raises MessageEmpty, MessageTooLong, AgentNotAllowed, UnknownAgent, UnknownLabel, ScopeMissing,
    SessionNotFound, SessionNotOpen, SessionBusy, SessionExhausted.
    """
    _check_text(message)
    check_label(principal, prompt_label)
    named = dict(agents_of(plan)) if plan else {"/agent": principal.choose_agent(agent)}
    _check_agents(principal, named)
    agent = leading_agent(plan) if plan else named["/agent"]
    if session_id is None:
        session_id = open_session(principal=principal, user_ref=user_ref, user_name=user_name).id
    elif (asking := make_room(session_id=session_id, agent_slug=agent)) and not plan:
        answered = _answer(Place(principal.tenant_id, session_id), asking, message, metadata)
        if answered is not None:
            return answered
    place = Place(principal.tenant_id, session_id)
    allowance = allowance_of(principal.tenant_id)
    said = _message(place, message, metadata, seq=Nth(0), turn=Nth(1))
    task = Task(
        tenant_id=place.tenant_id,
        session_id=session_id,
        question=said,
        batch_id=batch_id,
        seq=Nth(1),
        turn=said.turn,
        agent_slug=agent,
        prompt_label=prompt_label,
        task_type=task_type,
        context=dict(context or {}),
        plan=[dict(part) for part in plan],
        priority=allowance.claim_priority if priority is None else priority,
        available_at=at_once(),
    )
    _write(place, said, task, allowance)
    return PostedMessage(session_id, said, task)


def _check_agents(principal: Principal, named: Mapping[str, str]) -> None:
    """Raises AgentNotAllowed, and UnknownAgent with the places at which nobody is named who could
    answer. An empty name leaves it to the rules.
    """
    faults = [
        {"pointer": place, "code": UnknownAgent.code, "detail": slug}
        for place, slug in named.items()
        if principal.choose_agent(slug) and not has_active_agent(slug)
    ]
    if faults:
        raise UnknownAgent(errors=faults)


def _write(place: Place, said: Message, task: Task, allowance: Allowance) -> None:
    """Take the place of the message, and of its task behind it, and write both, in one statement
    where the database can; a worker is woken after commit. The session is locked from here on.
    """
    said.task = task
    with collecting() as rows:
        insert([task])
        insert([said])
    told = _facts(said, task)
    values = _acceptable(allowance)
    if number_and_write(place, told, rows, by=_ACCEPTING, **values) is None:
        _check_takes_messages(lock_session(place.session_id), limit=values["limit"])
        if number_and_write(place, told, rows, by=_ACCEPTING, **values) is None:
            raise SessionNotFound
    failpoint(Failpoint.TASK_WRITTEN)
    dispatch_on_commit(task.id, priority=task.priority)


def _answer(
    place: Place, task_id: UUID, message: str, metadata: Mapping[str, Any] | None
) -> PostedMessage | None:
    """Answer the task's question to the customer; None when it has been answered meanwhile."""
    task = lock_task(task_id)
    if task.status != TaskStatus.INPUT_REQUIRED:
        return None
    first = _take_place(place, allowance_of(place.tenant_id))
    said = _message(place, message, metadata, seq=first, turn=task.turn)
    said.task = task
    insert([said])
    write(place, [_created(said, task)], first=first)
    give_input(task_id=task_id, action=InputAction.ANSWER, text=message, by="customer")
    task.refresh_from_db()
    return PostedMessage(place.session_id, said, task)


def _message(
    place: Place, text: str, metadata: Mapping[str, Any] | None, *, seq: int, turn: int
) -> Message:
    return Message(
        tenant_id=place.tenant_id,
        session_id=place.session_id,
        seq=seq,
        turn=turn,
        role=Message.Role.USER,
        content=text,
        metadata=dict(metadata or {}),
    )


def _take_place(place: Place, allowance: Allowance) -> int:
    """The number of a message without a task. The session is locked from here on."""
    values = _acceptable(allowance)
    first = find_numbers(place, 1, by=_ACCEPTING, **values)
    if first is None:
        _check_takes_messages(lock_session(place.session_id), limit=values["limit"])
        first = take_numbers(place, 1, by=_ACCEPTING, **values)
    return first


def _acceptable(allowance: Allowance) -> dict[str, Any]:
    """The values of `_ACCEPTING`."""
    now = timezone.now()
    lasts = timedelta(hours=settings.ORKESTA_SESSION_TTL_HOURS)
    return {"now": now, "expires_at": now + lasts, "limit": _limit(allowance)}


def _check_text(message: str) -> None:
    if not message.strip():
        raise MessageEmpty
    if len(message) > settings.ORKESTA_MAX_MESSAGE_CHARS:
        raise MessageTooLong(
            f"A message has at most {settings.ORKESTA_MAX_MESSAGE_CHARS} characters."
        )


def _limit(allowance: Allowance) -> int:
    """How many messages a session takes, when neither tier nor override say otherwise."""
    limit = allowance.requests_per_session
    return settings.ORKESTA_MAX_REQUESTS_PER_SESSION if limit is None else limit


def _check_takes_messages(session: Session, *, limit: int) -> None:
    check_is_open(session)
    # `num_messages` counts what customers said; answers are not requests.
    if session.num_messages >= limit:
        raise SessionExhausted(f"A session takes at most {limit} messages.")


def _facts(said: Message, task: Task) -> list[Fact]:
    data = {"task_id": str(task.id), "status": TaskStatus.QUEUED}
    return [_created(said, task), Fact("task.status_changed", data, task.id)]


def _created(said: Message, task: Task) -> Fact:
    data = {
        "message_id": str(said.id),
        "role": said.role,
        "content": said.content,
        "agent": "",
        "created_at": said.created_at.isoformat(),
    }
    return Fact("message.created", data, task.id)
