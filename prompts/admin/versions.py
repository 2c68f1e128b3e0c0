"""The pages of a prompt's versions: write a draft, look at what it becomes, compare, publish."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from orkesta.errors import OrkestaError
from prompts.admin.case_pages import (
    NUM_TURNS,
    find_turn,
    is_doubtful,
    shown_test_set,
    try_version,
)
from prompts.admin.forms import VersionForm
from prompts.admin.looks import look_at
from prompts.admin.replay_pages import ReplayPages, newest_replay
from prompts.admin.side_by_side import folded, side_by_side
from prompts.case_runs import case_of
from prompts.diff import diff_texts
from prompts.errors import NothingToReplay, ReplayConflict, VersionNotDraft
from prompts.fixed import FIXED_BLOCKS
from prompts.models import PromptVersion
from prompts.past import list_past_turns
from prompts.selectors import find_version, list_blocks
from prompts.services import (
    discard_draft,
    edit_draft,
    publish_version,
    save_draft,
)
from tenants.admin.model_admin import refused_form
from tenants.admin.pages import page_context
from tenants.admin_scope import person_of

View = Callable[..., HttpResponse]

GIVEN_WORDS: Final = {
    "agent": gettext_lazy("who answers: agent.name, agent.slug, agent.description"),
    "tenant": gettext_lazy("your business: tenant.name, tenant.slug, tenant.business_context"),
    "user": gettext_lazy("the customer: user.name, which may be empty"),
    "context": gettext_lazy("what your page or app sent along with the message"),
}

_WORDS: Final[dict[type[OrkestaError], Any]] = {
    VersionNotDraft: gettext_lazy("This version was published; write a new draft instead."),
    ReplayConflict: gettext_lazy("Another replay of this prompt is not finished yet."),
    NothingToReplay: gettext_lazy("No agent has answered anybody under this prompt yet."),
}


class VersionPages:
    """The views under `/admin/prompts/prompt/<prompt>/versions/`."""

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.admin = model_admin

    def urls(self) -> list[URLPattern]:
        version = "<uuid:prompt_id>/versions/<uuid:version_id>/"
        pages: list[tuple[str, View, str]] = [
            (version, self.edit, "edit"),
            (f"{version}copy/", require_POST(self.copy), "copy"),
            (f"{version}publish/", require_POST(self.publish), "publish"),
            (f"{version}discard/", require_POST(self.discard), "discard"),
            (f"{version}test/", require_POST(self.test), "test"),
            (f"{version}case/", require_POST(self.save_case), "case"),
            (f"{version}tested/", require_GET(self.tested), "tested"),
            (f"{version}preview/", require_POST(self.preview), "preview"),
            (f"{version}compare/<uuid:old_id>/", require_GET(self.compare), "compare"),
        ]
        wrap = self.admin.admin_site.admin_view
        own = [path(url, wrap(view), name=f"prompts_version_{name}") for url, view, name in pages]
        return [*own, *ReplayPages(self).urls()]

    def edit(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """The text: editable while it is a draft."""
        version = self.version(request, prompt_id, version_id, write=request.method == "POST")
        if request.method != "POST":
            return self._page(request, version, VersionForm.of(version))
        refused = refused_form(request)
        if refused is not None:
            return refused
        form = VersionForm(request.POST, prompt=version.prompt)
        if not form.is_valid():
            return self._page(request, version, form)
        asked = form.cleaned_data
        try:
            edit_draft(
                version=version,
                source=asked["source"],
                notes=asked["notes"],
                author=person_of(request),
            )
        except OrkestaError as exc:
            form.add_error(None, self.said(exc))
            return self._page(request, version, form)
        if "_publish" in request.POST:
            return self.publish(request, prompt_id, version_id)
        messages.success(request, _("Draft v%(number)d is saved.") % {"number": version.number})
        return _to("prompts_version_edit", prompt_id, version_id)

    def copy(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """A new draft that begins as this version."""
        version = self.version(request, prompt_id, version_id, write=True)
        notes = _("From v%(number)d") % {"number": version.number}
        try:
            draft = save_draft(
                prompt=version.prompt,
                source=version.source,
                notes=notes,
                author=person_of(request),
            )
        except OrkestaError as exc:
            messages.error(request, self.said(exc))
            return _to("prompts_version_edit", prompt_id, version_id)
        self.admin.log_change(request, version.prompt, f"Draft v{draft.number}.")
        return _to("prompts_version_edit", prompt_id, draft.pk)

    def publish(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """Make it live; for an older version, that is rolling back."""
        version = self.version(request, prompt_id, version_id, write=True)
        if "confirmed" not in request.POST and (page := self._second_thought(request, version)):
            return page
        try:
            publish_version(version=version, author=person_of(request))
        except OrkestaError as exc:
            messages.error(request, self.said(exc))
            return _to("prompts_version_edit", prompt_id, version_id)
        self.admin.log_change(request, version.prompt, f"Published v{version.number}.")
        text = _("v%(number)d is live: agents use it from their next task on.")
        messages.success(request, text % {"number": version.number})
        return _to("prompts_prompt_change", prompt_id)

    def _second_thought(self, request: HttpRequest, version: PromptVersion) -> HttpResponse | None:
        """What there is to know of a draft before it is live; None when that is nothing."""
        replayed, doubtful = newest_replay(version), is_doubtful(version)
        is_draft = version.status == PromptVersion.Status.DRAFT
        if not is_draft or not (doubtful or replayed["replay"]):
            return None
        context = self.context(request, version, _("Publish")) | {"is_doubtful": doubtful}
        page = context | shown_test_set(version) | replayed
        return TemplateResponse(request, "orkesta/prompts/confirm_publish.html", page)

    def discard(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        version = self.version(request, prompt_id, version_id, write=True)
        number = version.number
        try:
            discard_draft(version=version)
        except OrkestaError as exc:
            messages.error(request, self.said(exc))
            return _to("prompts_prompt_change", prompt_id)
        self.admin.log_change(request, version.prompt, f"Discarded draft v{number}.")
        messages.success(request, _("Draft v%(number)d is discarded.") % {"number": number})
        return _to("prompts_prompt_change", prompt_id)

    def test(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """Try the test cases on the text as it is saved."""
        return try_version(request, self.version(request, prompt_id, version_id, write=True))

    def save_case(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """Make the real message of the preview a test case, and go there to say what it wants."""
        version = self.version(request, prompt_id, version_id, write=True)
        turn = find_turn(version.prompt, request.POST.get("turn", ""))
        if turn is None:
            raise Http404
        case = case_of(version.prompt, turn.text, turn.context)
        # The button posts in the background; the browser has to be told to leave the page.
        place = reverse("admin:prompts_prompttestcase_change", args=[case.pk])
        return HttpResponse(headers={"HX-Redirect": place})

    def tested(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """How far the test set is; a fragment of a page."""
        version = self.version(request, prompt_id, version_id)
        context = self.context(request, version, "") | shown_test_set(version)
        return render(request, "orkesta/prompts/test_set.html", context)

    def preview(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """What the text in the editor becomes, with sample data; a fragment of a page."""
        version = self.version(request, prompt_id, version_id)
        source = request.POST.get("source", "")[:40_000].replace("\r\n", "\n")
        turn = find_turn(version.prompt, request.POST.get("turn", ""))
        task_type = request.POST.get("task_type", "")
        looked = look_at(source, version.prompt, turn, task_type=task_type)
        context = self.context(request, version, "") | looked
        return render(request, "orkesta/prompts/preview.html", context)

    def compare(
        self, request: HttpRequest, prompt_id: UUID, version_id: UUID, old_id: UUID
    ) -> HttpResponse:
        new = self.version(request, prompt_id, version_id)
        old = self.version(request, prompt_id, old_id)
        diff = diff_texts(old.source, new.source)
        context = self.context(request, new, _("Changes"))
        return TemplateResponse(
            request,
            "orkesta/prompts/compare.html",
            context
            | {
                "old": old,
                "new": new,
                "diff": diff,
                "lines": list(folded(side_by_side(diff.rows))),
            },
        )

    def said(self, error: OrkestaError) -> str:
        """What went wrong, in the language of the page where we have words for it."""
        words = _WORDS.get(type(error))
        return str(words) if words else error.message

    def version(
        self, request: HttpRequest, prompt_id: UUID, version_id: UUID, *, write: bool = False
    ) -> PromptVersion:
        may = self.admin.has_change_permission if write else self.admin.has_view_permission
        if not may(request):
            raise PermissionDenied
        version = find_version(prompt_id, version_id)
        if version is None:
            raise Http404
        return version

    def _page(
        self, request: HttpRequest, version: PromptVersion, form: VersionForm
    ) -> HttpResponse:
        source = str(form["source"].value() or "")
        title = _("Version %(number)d") % {"number": version.number}
        context = self.context(request, version, title) | look_at(source, version.prompt)
        context |= shown_test_set(version) | newest_replay(version)
        context |= {"turns": list_past_turns(version.prompt_id, NUM_TURNS)}
        if not version.prompt.is_block:
            context |= {"fixed_blocks": FIXED_BLOCKS.values(), "blocks": list_blocks()}
        return TemplateResponse(request, "orkesta/prompts/editor.html", context | {"form": form})

    def context(self, request: HttpRequest, version: PromptVersion, title: str) -> dict[str, Any]:
        return {
            **page_context(self.admin, request, title),
            "original": version.prompt,
            "version": version,
            "given": GIVEN_WORDS,
            "is_draft": version.status == PromptVersion.Status.DRAFT,
            "may_edit": self.admin.has_change_permission(request),
        }


def _to(name: str, *args: UUID) -> HttpResponse:
    return HttpResponseRedirect(reverse(f"admin:{name}", args=args))
