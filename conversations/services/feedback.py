"""People say what they think of an answer."""

from uuid import UUID

from django.db import transaction

from conversations.errors import FeedbackNotPossible, MessageNotFound
from conversations.feedback_models import Feedback
from conversations.models import Message, Step


@transaction.atomic
def give_feedback(
    *, message_id: UUID, rating: str, comment: str = "", user_ref: str = ""
) -> Feedback:
    """Keep what `user_ref` thinks of an agent's answer, in place of what they thought before.

    Raises MessageNotFound, and FeedbackNotPossible for what was not said by an agent.
    """
    message = Message.objects.filter(pk=message_id).first()
    if message is None:
        raise MessageNotFound
    if message.role != Message.Role.ASSISTANT:
        raise FeedbackNotPossible
    given = {"rating": rating, "comment": comment, "prompt_version_id": _told(message)}
    feedback, _ = Feedback.objects.update_or_create(
        message=message, user_ref=user_ref, defaults=given
    )
    return feedback


def _told(message: Message) -> UUID | None:
    """The version of the prompt that the answer was given under."""
    if message.task_id is None:
        return None
    calls = Step.objects.filter(task_id=message.task_id, prompt_version__isnull=False)
    newest = calls.filter(agent_slug=message.agent_slug).order_by("-number")
    return newest.values_list("prompt_version_id", flat=True).first()
