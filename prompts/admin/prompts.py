"""Prompts: the list, and the page of one with its versions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldBooleanSwitchWidget

from prompts.admin.forms import NewPromptForm, PromptForm
from prompts.admin.page import prompt_page
from prompts.admin.prompt_verbs import PromptVerbs
from prompts.admin.versions import VersionPages
from prompts.models import Prompt
from prompts.selectors import list_prompts
from prompts.services import publish_version, save_draft
from tenants.admin.model_admin import TenantModelAdmin
from tenants.admin_scope import has_role, person_of


@admin.register(Prompt)
class PromptAdmin(TenantModelAdmin):
    form = PromptForm
    empty_icon, empty_text = (
        "edit_note",
        _("A prompt is what an agent is told. Each version is kept, and one is live."),
    )
    list_display = ("name", "slug", "kind", "live", "tokens", "published_on", "draft")
    list_filter = ("kind", "task_type")
    search_fields = ("name", "slug", "description")
    prepopulated_fields = {"slug": ("name",)}
    change_form_outer_before_template = "orkesta/prompts/versions.html"
    fieldsets = (
        (
            None,
            {"fields": (("name", "slug"), "kind", "task_type", "description", "variables")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prompt]:
        return list_prompts().order_by("name")

    def get_form(
        self, request: HttpRequest, obj: Prompt | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs.setdefault("form", self.form if obj else NewPromptForm)
        form = super().get_form(request, obj, change, **kwargs)
        if "publish_now" in form.base_fields:
            form.base_fields["publish_now"].widget = UnfoldBooleanSwitchWidget()
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Prompt | None = None) -> Any:
        if obj is not None:
            return self.fieldsets
        names = (("name", "slug"), "kind", "task_type", "description")
        return (
            (None, {"fields": names}),
            (_("First version"), {"fields": ("source", "publish_now")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Prompt | None = None) -> Any:
        # Agents, or other prompts, rely on what it is.
        return ("kind",) if obj else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else self.prepopulated_fields

    def get_urls(self) -> list[URLPattern]:
        return [*VersionPages(self).urls(), *PromptVerbs(self).urls(), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Prompt, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change:
            return
        asked = form.cleaned_data
        version = save_draft(prompt=obj, source=asked["source"], author=person_of(request))
        if asked["publish_now"]:
            publish_version(version=version, author=person_of(request))
        else:
            self.message_user(request, _("Publish the draft when it is ready."), messages.INFO)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if object_id is not None and self.has_view_permission(request):
            prompt = self.get_object(request, object_id)
            context |= prompt_page(request, prompt)
            context["may_edit"] = has_role(request, self.edit_role)
        return super().changeform_view(request, object_id, form_url, context)

    @display(description=_("live version"), label={"live": "success", "none": "danger"})
    def live(self, prompt: Any) -> tuple[str, Any]:
        number = prompt.published_number
        return ("live", f"v{number}") if number else ("none", _("nothing published"))

    @display(description=_("tokens"))
    def tokens(self, prompt: Any) -> int | None:
        return prompt.published_tokens

    @display(description=_("published at"))
    def published_on(self, prompt: Any) -> Any:
        return prompt.published_at

    @display(description=_("draft"), label="info")
    def draft(self, prompt: Any) -> str:
        is_newer = (prompt.newest_draft or 0) > (prompt.published_number or 0)
        return f"v{prompt.newest_draft}" if is_newer else ""
