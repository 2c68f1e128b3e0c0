"""The experiment of a prompt, on its page: who is told what, and how both do."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from prompts.errors import ExperimentConflict, PromptVersionNotFound
from prompts.experiment_models import Experiment
from prompts.experiments import change_share, results_of, start_experiment, stop_experiment
from prompts.models import Prompt, PromptVersion
from tenants.admin_scope import person_of


def shown_experiment(prompt: Prompt) -> dict[str, Any]:
    """The context for `orkesta/prompts/experiment.html`: the newest experiment, running or not."""
    rows = Experiment.objects.filter(prompt=prompt).select_related("baseline", "challenger")
    newest = rows.first()
    return {
        "experiment": newest,
        "results": results_of(newest) if newest else None,
        "shares": Experiment.Share.choices,
    }


def act(request: HttpRequest, prompt: Prompt, challenger: PromptVersion | None) -> str:
    """Do what was asked for; what there is to say about it. Raises what the acts do."""
    running = Experiment.objects.filter(prompt=prompt, ended_at=None).first()
    if "stop" in request.POST:
        if running is None or not stop_experiment(experiment=running):
            raise ExperimentConflict
        return _("The experiment has ended; everybody is told the published version.")
    share = _share(request)
    if running is not None:
        change_share(experiment=running, share=share)
    elif challenger is None:
        raise PromptVersionNotFound
    else:
        start_experiment(challenger=challenger, share=share, author=person_of(request))
    return _("%(share)d %% of the sessions are told the challenger.") % {"share": share}


def _share(request: HttpRequest) -> int:
    given = request.POST.get("share", "")
    found = next((value for value in Experiment.Share.values if str(value) == given), None)
    if found is None:
        raise ExperimentConflict
    return int(found)
