"""Tasks: the list with its verb, and the timeline of the steps of one."""

from typing import Any, Final, cast

from django.contrib import admin, messages
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
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.sections import TableSection

from conversations.admin.shown import TASK_LABELS, ago, duration
from conversations.admin.timeline import read_timeline
from conversations.models import Message, Step, Task
from conversations.selectors import list_tasks
from conversations.services import cancel_task
from conversations.states import UNFINISHED
from orkesta.errors import OrkestaError, StateConflict
from routing.models import Agent
from tenants.admin.model_admin import HistoryAdmin
from tenants.admin.pages import dialog_done, page_context
from tenants.admin_scope import Role, has_role

#: Left out of lists: a step's input holds a whole prompt.
HEAVY: Final = ("input", "output")


class StepsSection(TableSection):
    """The steps of a task, unfolded in its row of the list."""

    verbose_name = _("Steps")
    related_name = "steps"
    fields = ("number", "kind", "reason", "llm", "took")

    def took(self, step: Step) -> str:
        return duration(step.duration_ms)

    took.short_description = _("duration")  # type: ignore[attr-defined]


@admin.register(Task)
class TaskAdmin(HistoryAdmin):
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
    actions = ("cancel_selected",)
    actions_detail = ("cancel",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        answers = Message.objects.filter(task=OuterRef("pk"), role=Message.Role.ASSISTANT)
        agents = Agent.objects.filter(slug=OuterRef("answered_by"))
        light = Step.objects.defer(*HEAVY).order_by("number")
        # Subqueries on (task, …) indexes: a join would multiply the tasks by their steps.
        return (
            list_tasks()
            .prefetch_related(Prefetch("steps", light))
            .annotate(
                answered_by=Subquery(answers.values("agent_slug")[:1]),
                agent_name=Subquery(agents.values("name")[:1]),
                time_taken=ExpressionWrapper(
                    F("finished_at") - F("started_at"), output_field=DurationField()
                ),
            )
        )

    def has_cancel_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Asked with an id by the dialog, which has to answer 404 before it shows itself."""
        if not has_role(request, Role.EDITOR):
            return False
        return obj is None or self.get_object(request, obj) is not None

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
        verbs = self.get_actions_detail(request, object_id) if task.status in UNFINISHED else []
        context = {
            **page_context(self, request, task.pk.hex[-8:]),
            "task": task,
            "status_label": TASK_LABELS[task.status],
            "timeline": read_timeline(task),
            "actions_detail": self._get_actions_navigation(self.actions_detail, verbs, object_id),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "orkesta/conversations/task.html", context)

    @action(
        description=_("Cancel"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["cancel"],
        dialog={
            "title": _("Stop this task?"),
            "description": _("The agent stops at once, and the customer gets no answer to this."),
            "form_class": None,
            "form_submit_text": _("Stop the task"),
        },
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        task = self.get_object(request, object_id)
        try:
            cancel_task(task_id=task.pk)
        except StateConflict:
            self.message_user(request, gettext("The task has ended already."), messages.ERROR)
        else:
            self.message_user(request, gettext("The task is being cancelled."), messages.SUCCESS)
        return dialog_done(request, self, task.pk)

    @admin.action(description=_("Cancel the selected tasks"), permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Only those that have not ended; one that ends meanwhile is simply not counted."""
        cancelled = 0
        for task_id in queryset.filter(status__in=UNFINISHED).values_list("pk", flat=True):
            try:
                cancel_task(task_id=task_id)
            except OrkestaError:
                continue
            cancelled += 1
        text = ngettext("%d task cancelled.", "%d tasks cancelled.", cancelled) % cancelled
        self.message_user(request, text, messages.SUCCESS if cancelled else messages.WARNING)

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
