"""Making real messages test cases of the prompt that they were answered under."""

from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest

from conversations.models import Message, Step
from conversations.states import StepKind
from prompts.case_models import PromptTestCase
from prompts.case_runs import case_of


def may_save_cases(request: HttpRequest) -> bool:
    return admin.site._registry[PromptTestCase].has_add_permission(request)


def case_of_message(session_id: UUID, message_id: UUID) -> PromptTestCase | None:
    """The new test case; None when no agent with a prompt has answered, or tried to."""
    rows = Message.objects.filter(session_id=session_id, role=Message.Role.USER, pk=message_id)
    message = rows.select_related("task", "session").first()
    if message is None:
        raise Http404
    if message.task is None:
        return None
    told = Step.objects.filter(task=message.task, kind=StepKind.MODEL, prompt_version__isnull=False)
    step = told.select_related("prompt_version__prompt").order_by("-number").first()
    if step is None or step.prompt_version is None:
        return None
    context = {**message.session.context, **message.task.context}
    return case_of(step.prompt_version.prompt, message.content, context)
