"""Test cases in the admin, and how a version did on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from prompts.admin.replay_pages import reason_of
from prompts.case_models import PromptTestCase, PromptTestRun
from prompts.case_runs import latest_run, start_test_run
from prompts.models import Prompt, PromptVersion
from prompts.past import PastTurn, list_past_turns
from prompts.run_models import RunStatus
from tenants.admin.forms import TenantModelForm
from tenants.admin.model_admin import TenantModelAdmin
from tenants.admin_scope import person_of

#: Real messages that a preview offers.
NUM_TURNS: Final = 10
_FAULTS: Final[Mapping[str, Any]] = {
    "failed": gettext_lazy("No answer: %(wanted)s"),
    "lacks": gettext_lazy("It does not say “%(wanted)s”."),
    "contains": gettext_lazy("It says “%(wanted)s”."),
    "unlike": gettext_lazy("It does not match %(wanted)s."),
    "longer": gettext_lazy("It is longer than %(wanted)s tokens."),
}


class TestCaseForm(TenantModelForm):
    class Meta:
        model = PromptTestCase
        fields: ClassVar = "__all__"
        widgets: ClassVar = {
            name: UnfoldAdminTextareaWidget(attrs={"rows": 3})
            for name in ("message", "context", "must_contain", "must_not_contain")
        }


@admin.register(PromptTestCase)
class PromptTestCaseAdmin(TenantModelAdmin):
    form = TestCaseForm
    is_configuration = False
    empty_icon, empty_text = (
        "rule",
        gettext_lazy("A test case is a message and what its answer has to say."),
    )
    list_display = ("asked", "prompt", "must_contain")
    list_filter = ("prompt",)
    list_select_related = ("prompt",)
    search_fields = ("message",)
    fieldsets = (
        (None, {"fields": ("prompt", "message", "context")}),
        (
            gettext_lazy("What is expected of the answer"),
            {"fields": ("must_contain", "must_not_contain", ("pattern", "max_tokens"))},
        ),
    )

    @display(description=gettext_lazy("message"))
    def asked(self, case: PromptTestCase) -> str:
        return Truncator(case.message).chars(80)


@dataclass(frozen=True, slots=True)
class CaseShown:
    """One case as the newest run left it; `faults` are sentences."""

    case_id: str
    message: str
    answer: str
    faults: list[str]


def find_turn(prompt: Prompt, task_id: str) -> PastTurn | None:
    """The real message that was chosen for the preview; None for sample data."""
    turns = list_past_turns(prompt.pk, NUM_TURNS) if task_id else []
    return next((turn for turn in turns if str(turn.task_id) == task_id), None)


def shown_test_set(version: PromptVersion) -> dict[str, Any]:
    """The context for `orkesta/prompts/test_set.html`."""
    run = latest_run(version)
    return {
        "num_cases": PromptTestCase.objects.filter(prompt=version.prompt_id).count(),
        "run": run,
        "run_percent": 100 * run.num_done // max(1, run.num_parts) if run else 0,
        "run_reason": reason_of(run) if run else "",
        "cases": _shown(run) if run else [],
    }


def is_doubtful(version: PromptVersion) -> bool:
    """Whether publishing this draft wants a second thought: its test cases were not tried on the
    text as it is, or one of them failed.
    """
    if version.status != PromptVersion.Status.DRAFT:
        return False
    if not PromptTestCase.objects.filter(prompt=version.prompt_id).exists():
        return False
    run = latest_run(version)
    return run is None or run.status != RunStatus.COMPLETED or run.num_failed > 0


def try_version(request: HttpRequest, version: PromptVersion) -> HttpResponse:
    """Begin a run of the test set under the version, and go back to it."""
    start_test_run(version=version, author=person_of(request))
    ids: tuple[UUID, UUID] = (version.prompt_id, version.pk)
    return redirect("admin:prompts_version_edit", *ids)


def _shown(run: PromptTestRun) -> list[CaseShown]:
    return [
        CaseShown(
            result["case"],
            result["message"],
            result["answer"],
            [str(_FAULTS[fault["code"]]) % fault for fault in result["faults"]],
        )
        for result in run.results
    ]
