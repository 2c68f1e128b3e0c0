"""What can be done with a whole prompt: move its labels, spread a block."""

from uuid import UUID

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from orkesta.errors import OrkestaError
from prompts.admin.experiments import act
from prompts.models import Prompt, PromptLabel, PromptVersion
from prompts.selectors import MAX_NUMBER
from prompts.services import remove_label, set_label, spread_block
from tenants.admin_scope import person_of


class PromptVerbs:
    """The posts under `/admin/prompts/prompt/<prompt>/` that are about no version in particular."""

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.admin = model_admin

    def urls(self) -> list[URLPattern]:
        posts = {
            "label": self.label,
            "unlabel": self.unlabel,
            "spread": self.spread,
            "experiment": self.experiment,
        }
        wrap = self.admin.admin_site.admin_view
        return [
            path(
                f"<uuid:prompt_id>/{verb}/",
                wrap(require_POST(view)),
                name=f"prompts_prompt_{verb}",
            )
            for verb, view in posts.items()
        ]

    def label(self, request: HttpRequest, prompt_id: UUID) -> HttpResponse:
        """Let a label point to a version."""
        prompt = self.prompt(request, prompt_id)
        name, version = request.POST.get("name", "").strip(), numbered(request, prompt)
        if version is None:
            messages.error(request, _("There is no such version."))
            return back(prompt_id)
        try:
            PromptLabel(prompt=prompt, name=name, version=version).clean_fields({"tenant"})
            set_label(prompt=prompt, name=name, version=version)
        except ValidationError as exc:
            messages.error(request, " ".join(exc.messages))
        except OrkestaError as exc:
            messages.error(request, exc.message)
        else:
            self.admin.log_change(request, prompt, f"Label {name}: v{version.number}.")
            told = _("«%(name)s» points to v%(number)d.")
            messages.success(request, told % {"name": name, "number": version.number})
        return back(prompt_id)

    def unlabel(self, request: HttpRequest, prompt_id: UUID) -> HttpResponse:
        prompt, name = self.prompt(request, prompt_id), request.POST.get("name", "")
        try:
            remove_label(prompt=prompt, name=name)
        except OrkestaError as exc:
            messages.error(request, exc.message)
        else:
            self.admin.log_change(request, prompt, f"Label {name} removed.")
            messages.success(request, _("The label «%(name)s» is gone.") % {"name": name})
        return back(prompt_id)

    def spread(self, request: HttpRequest, prompt_id: UUID) -> HttpResponse:
        """Publish anew whoever holds an older version of this block."""
        prompt = self.prompt(request, prompt_id)
        try:
            made = spread_block(block=prompt, author=person_of(request))
        except OrkestaError as exc:
            messages.error(request, exc.message)
            return back(prompt_id)
        for version in made:
            self.admin.log_change(request, version.prompt, f"Published v{version.number}.")
        told = ngettext(
            "%(number)d prompt was published anew.",
            "%(number)d prompts were published anew.",
            len(made),
        )
        messages.success(request, told % {"number": len(made)})
        return back(prompt_id)

    def experiment(self, request: HttpRequest, prompt_id: UUID) -> HttpResponse:
        """Start an experiment, change its share, or stop it."""
        prompt = self.prompt(request, prompt_id)
        try:
            told = act(request, prompt, numbered(request, prompt))
        except OrkestaError as exc:
            messages.error(request, exc.message)
        else:
            self.admin.log_change(request, prompt, f"Experiment: {told}")
            messages.success(request, told)
        return back(prompt_id)

    def prompt(self, request: HttpRequest, prompt_id: UUID) -> Prompt:
        if not self.admin.has_change_permission(request):
            raise PermissionDenied
        prompt = Prompt.objects.filter(pk=prompt_id).first()
        if prompt is None:
            raise Http404
        return prompt


def numbered(request: HttpRequest, prompt: Prompt) -> PromptVersion | None:
    given = request.POST.get("version", "").strip().removeprefix("v")
    if not given.isascii() or not given.isdigit() or len(given) > len(str(MAX_NUMBER)):
        return None
    number = min(int(given), MAX_NUMBER)
    return PromptVersion.objects.filter(prompt=prompt, number=number).first()


def back(prompt_id: UUID) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:prompts_prompt_change", args=[prompt_id]))
