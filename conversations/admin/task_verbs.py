"""What people do to tasks at the admin: pause, resume, retry, fork and cancel them.

Each verb is offered where the table of states allows it, asks before it acts, and says afterwards
what became of it; somebody else may have been quicker. `conversations.services` does the work.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from conversations.errors import SessionNotOpen
from conversations.models import Step, Task
from conversations.services import (
    Verb,
    cancel_task,
    fork_task,
    pause_task,
    resume_task,
    retry_task,
    statuses_for,
    verbs_for,
)
from conversations.states import StepStatus
from orkesta.errors import OrkestaError
from tenants.admin.model_admin import HistoryAdmin
from tenants.admin.pages import dialog_done, page_context
from tenants.admin_scope import Role, has_role

CONTROLS: Final[Mapping[Verb, Callable[..., Task]]] = {
    Verb.PAUSE: pause_task,
    Verb.RESUME: resume_task,
    Verb.RETRY: retry_task,
    Verb.FORK: fork_task,
    Verb.CANCEL: cancel_task,
}


@dataclass(frozen=True, slots=True)
class Words:
    """How a verb is put: on its button, as a question for one task, and for many."""

    button: Any
    icon: str
    question: Any
    consequence: Any
    done: Any
    many: Any
    #: On the dialog's button, which stands beside unfold's own "Cancel".
    agreed: Any = ""

    def dialog(self, form: type[BaseDialogForm] | None = None) -> Any:
        return {
            "title": self.question,
            "description": self.consequence,
            "form_class": form,
            "form_submit_text": self.agreed or self.button,
        }


WORDS: Final = {
    Verb.PAUSE: Words(
        _("Pause"),
        "pause_circle",
        _("Pause this task?"),
        _("It keeps what it has done, and goes on from there when somebody resumes it."),
        _("The task is being paused."),
        ngettext_lazy("%d task paused.", "%d tasks paused."),
    ),
    Verb.RESUME: Words(
        _("Resume"),
        "play_circle",
        _("Resume this task?"),
        _("It goes on after its last recorded step."),
        _("The task goes on."),
        ngettext_lazy("%d task resumed.", "%d tasks resumed."),
    ),
    Verb.RETRY: Words(
        _("Retry"),
        "replay",
        _("Try this task again?"),
        _("A new task takes up its good steps and does the rest again; this one stays as it is."),
        _("This new task takes up the work."),
        ngettext_lazy("%d task tried again.", "%d tasks tried again."),
    ),
    Verb.FORK: Words(
        _("Fork"),
        "fork_right",
        _("Fork this task?"),
        _("A new task keeps the steps you choose and does the rest again, tool calls included."),
        _("This new task takes up the work."),
        ngettext_lazy("%d task forked.", "%d tasks forked."),
    ),
    Verb.CANCEL: Words(
        _("Cancel"),
        "cancel",
        _("Stop this task?"),
        _("The agent stops at once, and the customer gets no answer to this."),
        _("The task is being cancelled."),
        ngettext_lazy("%d task cancelled.", "%d tasks cancelled."),
        _("Stop the task"),
    ),
}


class ForkForm(BaseDialogForm):
    """Where to branch off; `?after=` in the address chooses it beforehand."""

    after_step = forms.TypedChoiceField(
        label=_("Keep the steps"), coerce=int, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        steps = Step.objects.filter(task_id=self.object_id).exclude(status=StepStatus.STARTED)
        field = cast("forms.ChoiceField", self.fields["after_step"])
        field.choices = fork_choices(steps.order_by("number"))
        field.initial = self.request.GET.get("after", len(field.choices) - 1)


def fork_choices(steps: Iterable[Step]) -> list[tuple[int, str]]:
    """Every place where a task with these finished steps can be forked, and how it is called."""
    choices = [(0, gettext("None: begin again"))]
    for number, step in enumerate(steps, 1):
        choices.append((number, gettext("Up to %(step)s") % {"step": step}))
    return choices


class TaskVerbs(HistoryAdmin):
    """The verbs, as buttons of one task and as actions on many."""

    actions = ("pause_selected", "resume_selected", "retry_selected", "cancel_selected")
    actions_detail = ("pause", "resume", "retry", "fork", "cancel")

    def has_control_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Asked with an id by the dialog, which has to answer 404 before it shows itself."""
        if not has_role(request, Role.EDITOR):
            return False
        return obj is None or self.get_object(request, obj) is not None

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        offered = verbs_for(self.get_object(request, object_id))
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        found = super().get_actions_detail(request, object_id)
        return [one for one in found if one.action_name.removeprefix(prefix) in offered]

    @action(
        description=WORDS[Verb.PAUSE].button,
        icon=WORDS[Verb.PAUSE].icon,
        permissions=["control"],
        dialog=WORDS[Verb.PAUSE].dialog(),
    )
    def pause(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._do(request, Verb.PAUSE, object_id)

    @action(
        description=WORDS[Verb.RESUME].button,
        icon=WORDS[Verb.RESUME].icon,
        variant=ActionVariant.PRIMARY,
        permissions=["control"],
        dialog=WORDS[Verb.RESUME].dialog(),
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._do(request, Verb.RESUME, object_id)

    @action(
        description=WORDS[Verb.RETRY].button,
        icon=WORDS[Verb.RETRY].icon,
        variant=ActionVariant.PRIMARY,
        permissions=["control"],
        dialog=WORDS[Verb.RETRY].dialog(),
    )
    def retry(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._do(request, Verb.RETRY, object_id)

    @action(
        description=WORDS[Verb.FORK].button,
        icon=WORDS[Verb.FORK].icon,
        permissions=["control"],
        dialog=WORDS[Verb.FORK].dialog(ForkForm),
    )
    def fork(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        after_step = form.cleaned_data["after_step"]
        return self._do(request, Verb.FORK, object_id, after_step=after_step)

    @action(
        description=WORDS[Verb.CANCEL].button,
        icon=WORDS[Verb.CANCEL].icon,
        variant=ActionVariant.DANGER,
        permissions=["control"],
        dialog=WORDS[Verb.CANCEL].dialog(),
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        return self._do(request, Verb.CANCEL, object_id)

    @admin.action(description=_("Pause the selected tasks"), permissions=["control"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self._do_many(request, Verb.PAUSE, queryset)

    @admin.action(description=_("Resume the selected tasks"), permissions=["control"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self._do_many(request, Verb.RESUME, queryset)

    @admin.action(description=_("Retry the selected tasks"), permissions=["control"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self._do_many(request, Verb.RETRY, queryset)

    @admin.action(description=_("Cancel the selected tasks"), permissions=["control"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self._do_many(request, Verb.CANCEL, queryset)

    def _do(self, request: HttpRequest, verb: Verb, object_id: str, **options: Any) -> HttpResponse:
        """Do it, say what became of it, and show the task it made, or else the task itself."""
        task = self.get_object(request, object_id)
        # Whoever pressed the button had seen it offered. That it is not any more is somebody
        # else's doing, and to them the second press is no success of theirs.
        if verb not in verbs_for(task):
            self.message_user(request, _too_late(task), messages.ERROR)
            return dialog_done(request, self, task.pk)
        try:
            changed = CONTROLS[verb](task_id=task.pk, **options)
        except OrkestaError as exc:
            self.message_user(request, _refusal(exc, self.get_object(request, object_id)), "error")
            return dialog_done(request, self, task.pk)
        self.message_user(request, WORDS[verb].done, messages.SUCCESS)
        return dialog_done(request, self, changed.pk)

    def _do_many(self, request: HttpRequest, verb: Verb, queryset: QuerySet[Task]) -> Any:
        """Ask first. Then only those that are fit; one that changes meanwhile is not counted."""
        fit = list(queryset.filter(status__in=statuses_for(verb)).values_list("pk", flat=True))
        if fit and "confirmed" not in request.POST:
            return self._ask(request, verb, queryset, num_fit=len(fit))
        done = sum(_is_done(verb, task_id) for task_id in fit)
        level = messages.SUCCESS if done else messages.WARNING
        self.message_user(request, WORDS[verb].many % done, level)
        return None  # back to the list, as it was narrowed

    def _ask(
        self, request: HttpRequest, verb: Verb, queryset: QuerySet[Task], *, num_fit: int
    ) -> HttpResponse:
        text = ngettext("%d task is fit for it.", "%d tasks are fit for it.", num_fit) % num_fit
        context = {
            **page_context(self, request, str(WORDS[verb].button)),
            "words": WORDS[verb],
            "told": text,
            "num_left_out": queryset.count() - num_fit,
            "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "is_across": request.POST.get("select_across", "0"),
            "checkbox": ACTION_CHECKBOX_NAME,
            "action": f"{verb}_selected",
            "is_danger": verb is Verb.CANCEL,
        }
        return TemplateResponse(request, "orkesta/conversations/confirm_verb.html", context)


def _is_done(verb: Verb, task_id: UUID) -> bool:
    try:
        CONTROLS[verb](task_id=task_id)
    except OrkestaError:
        return False
    return True


def _refusal(error: OrkestaError, task: Task) -> str:
    if isinstance(error, SessionNotOpen):
        return gettext("Nothing was done: the conversation has been closed.")
    return _too_late(task)


def _too_late(task: Task) -> str:
    said = task.get_status_display()
    return gettext("Nothing was done. The task is: %(status)s.") % {"status": said}
