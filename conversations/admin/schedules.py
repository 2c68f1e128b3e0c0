"""Schedules, and what came of their due times."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from conversations.admin.shown import moment
from conversations.trigger_models import Schedule, ScheduleRun
from conversations.triggers.cron_words import cron_words
from conversations.triggers.schedules import fire_now, plan
from tenants.admin.forms import TenantModelForm
from tenants.admin.model_admin import HistoryAdmin, TenantModelAdmin, refused_form
from tenants.admin.pages import page_context
from tenants.admin_scope import FORM_FIELD, tenant_of


class ScheduleForm(TenantModelForm):
    class Meta:
        model = Schedule
        fields: ClassVar = (
            "name", "cron", "time_zone", "message", "agent", "context", "is_active",
        )  # fmt: skip


@admin.register(Schedule)
class ScheduleAdmin(TenantModelAdmin):
    form = ScheduleForm
    is_configuration = False
    empty_icon, empty_text = (
        "schedule",
        _("A schedule posts a message whenever it is due, such as every Monday at nine."),
    )
    actions_detail = ("run_now",)
    list_display = ("name", "explained", "agent", "next_time", "last_time", "status")
    list_filter = ("is_active",)
    list_select_related = ("agent",)
    search_fields = ("name", "message")
    readonly_fields = ("explained", "next_time", "last_time")
    fieldsets = (
        (None, {"fields": (("name", "is_active"), "message", "agent", "context")}),
        (_("When"), {"fields": (("cron", "time_zone"), "explained", ("next_time", "last_time"))}),
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        tenant = tenant_of(request)
        return {"time_zone": tenant.time_zone if tenant else "UTC"}

    def save_model(self, request: HttpRequest, obj: Schedule, form: Any, change: bool) -> None:
        plan(obj)
        form.also_stored.add("next_due_at")
        super().save_model(request, obj, form, change)

    @action(description=_("Run now"), url_path="run", permissions=["change"])
    def run_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first; a press of the button posts the message and leads to its task."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if request.method != "POST":
            context = {
                **page_context(self, request, str(row)),
                "schedule": row,
                "form_field": FORM_FIELD,
                "form_tenant": tenant_of(request),
            }
            return TemplateResponse(request, "orkesta/conversations/run_now.html", context)
        refused = refused_form(request)
        if refused is not None:
            return refused
        run = fire_now(row.pk)
        if run.task_id is None:
            said = gettext("The message was refused: %(code)s.") % {"code": run.error_code}
            messages.error(request, said)
            return HttpResponseRedirect(
                reverse("admin:conversations_schedule_change", args=[row.pk])
            )
        messages.success(request, _("The message has been posted."))
        return HttpResponseRedirect(reverse("admin:conversations_task_change", args=[run.task_id]))

    @display(description=_("in words"), empty_value="-")
    def explained(self, schedule: Schedule) -> str | None:
        words = cron_words(schedule.cron) if schedule.cron else ""
        return f"{words}, {schedule.time_zone}" if words else None

    @display(description=_("next"), ordering="next_due_at", empty_value="-")
    def next_time(self, schedule: Schedule) -> str | None:
        return moment(schedule.next_due_at) or None

    @display(description=_("last"), ordering="last_fired_at", empty_value="-")
    def last_time(self, schedule: Schedule) -> str | None:
        return moment(schedule.last_fired_at) or None

    @display(description=_("status"), label={"on": "success", "off": ""})
    def status(self, schedule: Schedule) -> tuple[str, Any]:
        return ("on", _("Active")) if schedule.is_active else ("off", _("Inactive"))


@admin.register(ScheduleRun)
class ScheduleRunAdmin(HistoryAdmin):
    empty_icon, empty_text = (
        "history",
        _("Each time a schedule fires, what came of it stands here."),
    )
    list_display = ("schedule", "due_at", "num_skipped", "outcome")
    list_filter = ("schedule",)
    list_select_related = ("schedule",)
    ordering = ("-id",)
    fields = ("schedule", "due_at", "fired_at", "num_skipped", "task", "error_code")

    @display(description=_("outcome"), label={"posted": "success", "refused": "danger"})
    def outcome(self, run: ScheduleRun) -> tuple[str, Any]:
        return ("refused", run.error_code) if run.error_code else ("posted", _("Posted"))
