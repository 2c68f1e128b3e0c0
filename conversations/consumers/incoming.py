"""What clients may say on a socket. One JSON object per text frame; its `type` names the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils import translation
from rest_framework import serializers

from conversations.api.serializers.chat import ChatSendSerializer, TaskIdSerializer
from conversations.consumers.closing import TooManyFrames
from conversations.errors import TaskNotFound
from conversations.key_watch import get_key_watch
from conversations.models import Task
from conversations.selectors import get_task
from conversations.services import PostedMessage, cancel_task, post_message
from orkesta.api.fields import Body, OptionalText, Text
from orkesta.api.parser import read_object
from orkesta.api.problems import invalid
from orkesta.errors import BodyTooLarge, Invalid
from tenants.audit import Actor, acting
from tenants.audit_models import ActorKind
from tenants.errors import ScopeMissing
from tenants.principals import Principal, Scope
from tenants.rates import require_request
from tenants.scope import in_tenant

MAX_FRAME_BYTES: Final = 64 * 1024
FRAMES_PER_SECOND: Final = 20.0
MAX_REQUEST_ID: Final = 64


class CursorBody(Body):
    """Where the client stands."""

    cursor = Text(max_length=200)


class RequestId(Body):
    """The client's own name for what it asks; it comes back with the answer."""

    request_id = OptionalText(max_length=MAX_REQUEST_ID)


#: What clients may say: each type of frame, and what it has to bring along.
FRAMES: Final[Mapping[str, type[Body]]] = {
    "ping": RequestId,
    "pong": RequestId,
    "ack": CursorBody,
    "resume": CursorBody,
    "chat.send": ChatSendSerializer,
    "chat.cancel": TaskIdSerializer,
}


class Pace:
    """A second's worth of frames at once, and no more than `FRAMES_PER_SECOND` over time."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def check(self, *, now: float) -> None:
        """Take one frame into account. Raises TooManyFrames."""
        self._free_at = max(self._free_at, now) + 1 / FRAMES_PER_SECOND
        if self._free_at > now + 1.0:
            raise TooManyFrames(f"At most {FRAMES_PER_SECOND:.0f} frames per second.")

    def give_back(self) -> None:
        """Let the last frame not count."""
        self._free_at -= 1 / FRAMES_PER_SECOND


def read_frame(message: dict[str, Any]) -> dict[str, Any]:
    """The object in a frame as ASGI hands it over.

    Raises BodyTooLarge, and whatever is wrong with its JSON; Invalid for a binary frame.
    """
    text = message.get("text")
    if text is None:
        raise Invalid("Frames are text, not binary.")
    if len(text) > MAX_FRAME_BYTES or len(raw := text.encode()) > MAX_FRAME_BYTES:
        raise BodyTooLarge(f"A frame has at most {MAX_FRAME_BYTES} bytes.")
    return read_object(raw)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Somebody on a socket: their key, and the one session they speak in. What the key may do is
    looked at again with every frame.
    """

    principal: Principal
    session_id: UUID

    async def post(self, frame: dict[str, Any]) -> dict[str, Any]:
        """`chat.send`: what `POST /chat/send` does, in this session."""
        who = self._who_may(Scope.CHAT_WRITE)
        given = _validated(ChatSendSerializer, frame)
        posted = await in_tenant(who.tenant_id, self._post, who, given)
        return {
            "task_id": str(posted.task.id),
            "message_id": str(posted.message.id),
            "status": posted.task.status,
        }

    async def cancel(self, frame: dict[str, Any]) -> dict[str, Any]:
        """`chat.cancel`: what `POST /chat/cancel` does, for tasks of this session."""
        who = self._who_may(Scope.TASKS_CONTROL)
        given = _validated(TaskIdSerializer, frame)
        task = await in_tenant(who.tenant_id, self._cancel, who, given["task_id"])
        return {"task_id": str(task.id), "status": task.status, "wanted": task.wanted}

    def _post(self, who: Principal, given: dict[str, Any]) -> PostedMessage:
        require_request(who, session_id=self.session_id)
        return post_message(
            principal=who,
            message=given["message"],
            session_id=self.session_id,
            agent=given["agent"],
            context=given["context"],
            metadata=given["metadata"],
            prompt_label=given["prompt_label"],
            task_type=given["task_type"],
        )

    def _cancel(self, who: Principal, task_id: UUID) -> Task:
        """A ticket is for one session: from its socket no other session's tasks can be reached."""
        require_request(who, session_id=self.session_id)
        if get_task(task_id).session_id != self.session_id:
            raise TaskNotFound
        with acting(Actor(ActorKind.KEY, str(who.key_id or ""), who.key_name)):
            return cancel_task(task_id=task_id)

    def _who_may(self, scope: Scope) -> Principal:
        """The caller, with what they may do now. Raises ScopeMissing."""
        who = get_key_watch().as_of_now(self.principal)
        if not who.may(scope):
            raise ScopeMissing(f"This needs the scope {scope}.")
        return who


def request_id_of(frame: dict[str, Any]) -> str:
    """The client's name for this frame; empty when it gave none. Raises Invalid."""
    return str(_validated(RequestId, frame)["request_id"])


def cursor_of(frame: dict[str, Any]) -> str:
    return str(_validated(CursorBody, frame)["cursor"])


def _validated(kind: type[Body], frame: dict[str, Any]) -> dict[str, Any]:
    body = kind(data=frame)
    with translation.override("en"):
        try:
            body.is_valid(raise_exception=True)
        except serializers.ValidationError as exc:
            raise invalid(exc.get_full_details()) from exc
    return dict(body.validated_data)
