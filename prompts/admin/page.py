"""What the page of a prompt shows besides its form: versions, labels, and where a block is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.http import HttpRequest

from prompts.admin.costs import cost_shown
from prompts.admin.experiments import shown_experiment
from prompts.costs import read_traffic
from prompts.experiment_models import Experiment
from prompts.models import Prompt, PromptLabel, PromptVersion
from prompts.outcomes import VersionOutcomes, outcomes_of
from prompts.selectors import list_outdated_users_of, list_users_of, list_versions

PER_PAGE: Final = 20
#: Parameter that says which page of the versions is shown.
PAGE: Final = "versions"


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with the one before it, how it did, and what points to it."""

    version: PromptVersion
    older: PromptVersion | None
    outcomes: VersionOutcomes
    labels: Sequence[str]
    #: Whether an experiment that runs tells it to a share of the sessions.
    is_challenger: bool


def prompt_page(request: HttpRequest, prompt: Prompt) -> dict[str, Any]:
    """The context for `orkesta/prompts/versions.html`; so many queries however many versions."""
    page = Paginator(list_versions(prompt.pk), PER_PAGE).get_page(request.GET.get(PAGE))
    labels = list(PromptLabel.objects.filter(prompt=prompt).select_related("version"))
    live = PromptVersion.objects.filter(prompt=prompt, status=PromptVersion.Status.PUBLISHED)
    context = {
        "versions": _rows(page, labels),
        "versions_page": page,
        "labels": labels,
        "cost": cost_shown(read_traffic(prompt), sum(live.values_list("num_tokens", flat=True))),
    }
    return context | (_block(prompt) if prompt.is_block else shown_experiment(prompt))


def _rows(page: Page, labels: Sequence[PromptLabel]) -> list[VersionRow]:
    # One more than is shown, because the last one is compared with it.
    first = max(0, page.start_index() - 1)
    shown: list[PromptVersion] = list(page.paginator.object_list[first : first + PER_PAGE + 1])
    tried = [version.pk for version in shown if version.status != PromptVersion.Status.DRAFT]
    outcomes = outcomes_of(tried[:PER_PAGE]) if tried else {}
    running = Experiment.objects.filter(challenger__in=tried, ended_at=None)
    rivals = set(running.values_list("challenger_id", flat=True)) if tried else set()
    return [
        VersionRow(
            version,
            older,
            outcomes.get(version.pk, VersionOutcomes()),
            [label.name for label in labels if label.version_id == version.pk],
            version.pk in rivals,
        )
        for version, older in zip_longest(shown, shown[1:])
    ][:PER_PAGE]


def _block(prompt: Prompt) -> dict[str, Any]:
    """Who is told the block, and who would be published anew with it as it is now."""
    users = list_users_of(prompt).filter(status=PromptVersion.Status.PUBLISHED)
    outdated = {version.pk for version in list_outdated_users_of(prompt)}
    return {
        "users": [(version, version.pk in outdated) for version in users],
        "num_outdated": len(outdated),
    }
