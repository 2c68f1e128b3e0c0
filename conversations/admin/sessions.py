"""Sessions: the list of conversations, and the transcript of one."""

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.decorators import display

from conversations.admin.cases import case_of_message, may_save_cases
from conversations.admin.shown import SESSION_LABELS, ago, pretty_json
from conversations.admin.transcript import read_transcript
from conversations.models import Message, Session
from conversations.selectors import list_sessions
from tenants.admin.model_admin import HistoryAdmin
from tenants.admin.pages import page_context


@admin.register(Session)
class SessionAdmin(HistoryAdmin):
    empty_icon, empty_text = (
        "forum",
        _("As soon as customers write, their conversations appear here."),
    )
    list_display = ("customer", "last_line", "agent", "shown_status", "num_messages", "activity")
    list_filter = ("status", "active_agent", "last_activity_at")
    list_select_related = ("active_agent",)
    search_fields = ("user_name", "user_ref")
    search_help_text = _("Name or reference of the customer")
    ordering = ("-last_activity_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        newest = Message.objects.filter(session=OuterRef("pk")).order_by("-seq")
        # A subquery on (session, seq): one index look-up per row instead of a join of all messages.
        return list_sessions().annotate(newest_content=Subquery(newest.values("content")[:1]))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The transcript; there is no form, because nobody edits what was said."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        session = cast("Session", self.get_object(request, object_id))
        before = request.GET.get("before", "")
        context = {
            **page_context(self, request, _customer(session)),
            "session": session,
            "status_label": SESSION_LABELS[session.status],
            "transcript": read_transcript(
                session, before=int(before) if before.isdecimal() and len(before) < 16 else None
            ),
            "may_save_cases": may_save_cases(request),
            "num_tasks": session.tasks.count(),
            "context_json": pretty_json(session.context) if session.context else "",
            "metadata_json": pretty_json(session.metadata) if session.metadata else "",
        }
        return TemplateResponse(request, "orkesta/conversations/session.html", context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.save_case))
        place = "<uuid:object_id>/messages/<uuid:message_id>/case/"
        return [path(place, view, name="conversations_session_case"), *super().get_urls()]

    def save_case(self, request: HttpRequest, object_id: UUID, message_id: UUID) -> HttpResponse:
        """Make what a customer said a test case of the prompt that the answer was given under."""
        if not self.has_view_permission(request) or not may_save_cases(request):
            raise PermissionDenied
        case = case_of_message(object_id, message_id)
        if case is None:
            messages.error(request, gettext("No prompt was told to answer this message."))
            return redirect("admin:conversations_session_change", object_id)
        return redirect("admin:prompts_prompttestcase_change", case.pk)

    @display(description=_("customer"), header=True, ordering="user_name")
    def customer(self, session: Session) -> list[Any]:
        name = _customer(session)
        detail = session.user_ref if session.user_name else str(session.pk)[:13]
        return [name, detail, name[:2]]

    @display(description=_("last line"), empty_value="-")
    def last_line(self, session: Any) -> str | None:
        line = " ".join((session.newest_content or "").split())
        return f"{line[:89]}…" if len(line) > 90 else line or None

    @display(description=_("agent"), ordering="active_agent__name", empty_value="-")
    def agent(self, session: Session) -> str | None:
        return session.active_agent.name if session.active_agent else None

    @display(description=_("status"), ordering="status", label=SESSION_LABELS)
    def shown_status(self, session: Session) -> tuple[str, str]:
        return session.status, session.get_status_display()

    @display(description=_("last activity"), ordering="last_activity_at")
    def activity(self, session: Session) -> str:
        return ago(session.last_activity_at)


def _customer(session: Session) -> str:
    return session.user_name or session.user_ref or gettext("Anonymous")
