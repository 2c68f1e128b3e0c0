"""The inbox: what tasks ask of people, with buttons to answer it."""

from typing import Any, Final, cast

import orjson
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from conversations.admin.shown import ago, moment, pretty_json
from conversations.admin.transcript import agent_names
from conversations.errors import InputInvalid
from conversations.input_models import InputRequest
from conversations.services import give_input
from conversations.states import INPUT_ACTIONS, InputAction, InputKind, InputStatus, TaskStatus
from orkesta.errors import StateConflict
from tenants.admin.model_admin import HistoryAdmin, refused_form
from tenants.admin.pages import page_context
from tenants.admin_scope import Role, has_role

INPUT_LABELS: Final = {
    "pending": "warning",
    "answered": "success",
    "approved": "success",
    "rejected": "danger",
    "expired": "",
}
DONE: Final = {
    InputAction.ANSWER: _("The answer has been given; the task goes on."),
    InputAction.APPROVE: _("The call has been approved; the task goes on."),
    InputAction.REJECT: _("It has been refused; the task goes on without it."),
    InputAction.EDIT: _("The call has been approved with your arguments; the task goes on."),
}
MAX_ARGUMENTS_CHARS: Final = 64_000


@admin.register(InputRequest)
class InputRequestAdmin(HistoryAdmin):
    empty_icon, empty_text = (
        "how_to_reg",
        _("When an agent asks a person, or needs an approval, it appears here."),
    )
    list_display = ("asked", "shown_kind", "customer", "shown_status", "until", "created")
    list_filter = ("status", "kind", "audience")
    list_select_related = ("task__session",)
    search_fields = ("question", "tool_name")
    search_help_text = _("Question or tool")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InputRequest]:
        waits_first = Case(
            When(status=InputStatus.PENDING, then=Value(0)),
            default=Value(1),
            output_field=IntegerField(),
        )
        rows = super().get_queryset(request).annotate(waits_first=waits_first)
        return cast("QuerySet[InputRequest]", rows.order_by("waits_first", "-id"))

    def has_answer_permission(self, request: HttpRequest) -> bool:
        return has_role(request, Role.EDITOR)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What is asked, and the buttons that fit it; a press of one comes back here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = cast("InputRequest", self.get_object(request, object_id))
        problem = ""
        if request.method == "POST":
            refused = refused_form(request)
            if refused is not None:
                return refused
            if not self.has_answer_permission(request):
                raise PermissionDenied
            problem = self._answer(request, asked)
            if not problem:
                return HttpResponseRedirect(reverse("admin:conversations_inputrequest_changelist"))
        return self._page(request, asked, problem, extra_context)

    def _page(
        self,
        request: HttpRequest,
        asked: InputRequest,
        problem: str,
        extra_context: dict[str, Any] | None,
    ) -> HttpResponse:
        is_open = (
            asked.status == InputStatus.PENDING and asked.task.status == TaskStatus.INPUT_REQUIRED
        )
        typed = request.POST.get("arguments") or pretty_json(asked.arguments)
        context = {
            **page_context(self, request, asked.tool_name or str(asked)),
            "asked": asked,
            "agent_name": agent_names({asked.agent_slug}).get(asked.agent_slug, asked.agent_slug),
            "status_label": INPUT_LABELS[asked.status],
            "until": moment(asked.expires_at),
            "actions": INPUT_ACTIONS[InputKind(asked.kind)] if is_open else (),
            "may_answer": is_open and self.has_answer_permission(request),
            "arguments": pretty_json(asked.arguments) if asked.tool_name else "",
            "typed": typed,
            "text": request.POST.get("text", ""),
            "problem": problem,
            **(extra_context or {}),
        }
        return TemplateResponse(
            request, "orkesta/conversations/input.html", context, status=422 if problem else 200
        )

    def _answer(self, request: HttpRequest, asked: InputRequest) -> str:
        """Give it, and say what became of it; what is wrong with it, when something is."""
        action = request.POST.get("action", "")
        if action == InputAction.APPROVE and _has_edited(request, asked):
            return gettext("You have changed the arguments. Approve with them, or undo the change.")
        try:
            arguments = _arguments(request) if action == InputAction.EDIT else None
            give_input(
                task_id=asked.task_id,
                action=action,
                text=request.POST.get("text", "").replace("\x00", ""),
                arguments=arguments,
                by=request.user.get_username(),
            )
        except InputInvalid as exc:
            return exc.message
        except StateConflict:
            text = gettext("Somebody else was quicker, or the task does not wait any more.")
            self.message_user(request, text, messages.ERROR)
        else:
            self.message_user(request, str(DONE[InputAction(action)]), messages.SUCCESS)
        return ""

    @display(description=_("asked"))
    def asked(self, row: InputRequest) -> str:
        line = " ".join((row.tool_name or row.question).split())
        return f"{line[:89]}…" if len(line) > 90 else line

    @display(description=_("kind"), ordering="kind")
    def shown_kind(self, row: InputRequest) -> str:
        return row.get_kind_display()

    @display(description=_("conversation"))
    def customer(self, row: InputRequest) -> str:
        session = row.task.session
        return session.user_name or session.user_ref or gettext("Anonymous")

    @display(description=_("status"), ordering="status", label=INPUT_LABELS)
    def shown_status(self, row: InputRequest) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description=_("until"), ordering="expires_at")
    def until(self, row: InputRequest) -> str:
        return moment(row.expires_at)

    @display(description=_("created"), ordering="id")
    def created(self, row: InputRequest) -> str:
        return ago(row.created_at)


def _has_edited(request: HttpRequest, asked: InputRequest) -> bool:
    typed = request.POST.get("arguments")
    return typed is not None and typed.split() != pretty_json(asked.arguments).split()


def _arguments(request: HttpRequest) -> dict[str, Any]:
    """Raises InputInvalid for what is no JSON object."""
    raw = request.POST.get("arguments", "")[:MAX_ARGUMENTS_CHARS]
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InputInvalid(gettext("The arguments are not valid JSON.")) from exc
    if not isinstance(value, dict):
        raise InputInvalid(gettext("The arguments must be a JSON object."))
    return value
