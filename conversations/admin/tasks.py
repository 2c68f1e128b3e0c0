"""Tasks: the list, the tracker, and the timeline of the steps of one."""

from typing import Any, Final, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import (
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.sections import TableSection

from conversations.admin.lanes import read_lanes
from conversations.admin.shown import TASK_LABELS, ago, duration
from conversations.admin.task_verbs import TaskVerbs
from conversations.admin.timeline import read_timeline
from conversations.admin.tracker import mark_of_cards, mark_of_task, parts_of, read_cards
from conversations.models import Message, Step, Task
from conversations.progress import progress_of
from conversations.services import Verb, verbs_for
from routing.models import Agent
from tenants.admin.pages import page_context
from tenants.admin_scope import tenant_of

#: Left out of lists: a step's input holds a whole prompt.
HEAVY: Final = ("input", "output")
#: Name of the tracker's address.
LIVE: Final = "conversations_task_live"


class StepsSection(TableSection):
    """The steps of a task, unfolded in its row of the list."""

    verbose_name = _("Steps")
    related_name = "steps"
    fields = ("number", "kind", "reason", "llm", "took")

    def took(self, step: Step) -> str:
        return duration(step.duration_ms)

    took.short_description = _("duration")  # type: ignore[attr-defined]


@admin.register(Task)
class TaskAdmin(TaskVerbs):
    empty_icon, empty_text = (
        "task_alt",
        _("Each message of a customer becomes a task, with the steps that led to its answer."),
    )
    list_display = (
        "short_id",
        "customer",
        "agent",
        "shown_status",
        "num_steps",
        "tokens",
        "took",
        "created",
    )
    list_filter = ("status", "created_at")
    list_select_related = ("session",)
    list_sections = (StepsSection,)
    search_fields = ("id", "session__user_name", "session__user_ref", "error_code")
    search_help_text = _("Customer, error or id")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        answers = Message.objects.filter(task=OuterRef("pk"), role=Message.Role.ASSISTANT)
        agents = Agent.objects.filter(
            slug=Coalesce(OuterRef("answered_by"), OuterRef("agent_slug"))
        )
        light = Step.objects.defer(*HEAVY).order_by("number")
        # Subqueries on (task, …) indexes: a join would multiply the tasks by their steps.
        return (
            Task.objects.order_by("-id")
            .prefetch_related(Prefetch("steps", light))
            .annotate(
                answered_by=Subquery(answers.values("agent_slug")[:1]),
                agent_name=Subquery(agents.values("name")[:1]),
                time_taken=ExpressionWrapper(
                    F("finished_at") - F("started_at"), output_field=DurationField()
                ),
            )
        )

    def get_urls(self) -> list[Any]:
        live = path("live/", self.admin_site.admin_view(self.live_view), name=LIVE)
        return [live, *super().get_urls()]

    def live_view(self, request: HttpRequest) -> HttpResponse:
        """The tracker. It asks for itself again and again, and is answered when there is news."""
        if tenant_of(request) is None:
            return HttpResponseRedirect(reverse("admin:conversations_task_changelist"))
        if not self.has_view_permission(request):
            raise PermissionDenied
        may_control = self.has_control_permission(request)
        cards = read_cards(self.get_queryset(request), may_control=may_control)
        mark = mark_of_cards(cards)
        if request.GET.get("seen") == mark:
            return HttpResponse(status=204)
        context = {**page_context(self, request, gettext("Live")), "cards": cards, "mark": mark}
        is_part = "HX-Request" in request.headers
        page = "live_cards.html" if is_part else "live.html"
        return TemplateResponse(request, f"orkesta/conversations/{page}", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The timeline of the task's steps; there is no form, because history is not edited."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        task = cast("Task", self.get_object(request, object_id))
        lanes = read_lanes([task]).get(task.pk, ())
        state, mark = f"{task.status}.{task.wanted}", mark_of_task(task, lanes)
        if "HX-Request" in request.headers:
            if request.GET.get("seen") == mark:
                return HttpResponse(status=204)
            if request.GET.get("state") != state:
                # Other buttons, too: the whole page is shown anew.
                return HttpResponse(headers={"HX-Refresh": "true"})
        verbs = self.get_actions_detail(request, object_id)
        context = {
            **page_context(self, request, task.pk.hex[-8:]),
            "task": task,
            "state": state,
            "mark": mark,
            "parts": parts_of(task),
            "progress": progress_of(task),
            "may_fork": Verb.FORK in verbs_for(task) and self.has_control_permission(request),
            "status_label": TASK_LABELS[task.status],
            "timeline": read_timeline(task),
            "actions_detail": self._get_actions_navigation(self.actions_detail, verbs, object_id),
            **(extra_context or {}),
        }
        is_part = "HX-Request" in request.headers
        page = "task_body.html" if is_part else "task.html"
        return TemplateResponse(request, f"orkesta/conversations/{page}", context)

    @display(description=_("task"))
    def short_id(self, task: Task) -> str:
        # The head of a time-ordered id is the same for a whole day; its tail tells tasks apart.
        return task.pk.hex[-8:]

    @display(description=_("conversation"))
    def customer(self, task: Task) -> str:
        session = task.session
        return session.user_name or session.user_ref or gettext("Anonymous")

    @display(description=_("agent"), empty_value="-")
    def agent(self, task: Any) -> str | None:
        return task.agent_name or task.answered_by or task.agent_slug or None

    @display(description=_("status"), ordering="status", label=TASK_LABELS)
    def shown_status(self, task: Task) -> tuple[str, str]:
        return task.status, task.get_status_display()

    @display(description=_("tokens"), empty_value="-")
    def tokens(self, task: Task) -> int | None:
        # Summed here, because the steps are at hand for the row's section anyway.
        return sum(step.input_tokens + step.output_tokens for step in task.steps.all()) or None

    @display(description=_("duration"), empty_value="-")
    def took(self, task: Any) -> str | None:
        return duration(task.time_taken) or None

    @display(description=_("created"), ordering="id")
    def created(self, task: Task) -> str:
        return ago(task.created_at)
