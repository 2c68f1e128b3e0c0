"""Experiments: a share of the sessions is told a challenger, and a bad one is taken back by itself.

Which sessions take part follows from their ids alone, so a session keeps its version for as long as
the experiment runs, also while its share grows.
"""

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from prompts.confidence import is_worse_beyond_doubt
from prompts.errors import ExperimentConflict, ExperimentNotFound
from prompts.experiment_models import Experiment
from prompts.models import Prompt, PromptVersion
from prompts.outcomes import VersionOutcomes, outcomes_of
from prompts.services import freeze_version
from tenants.audit import record, record_new
from tenants.audit_models import AuditAction
from tenants.scope import scopes_disabled
from tenants.services import touch_configuration


@dataclass(frozen=True, slots=True)
class Results:
    """How the two did since the experiment began."""

    baseline: VersionOutcomes
    challenger: VersionOutcomes

    @property
    def is_worse(self) -> bool:
        """Whether the challenger fails more often, beyond doubt."""
        return is_worse_beyond_doubt(
            failures=self.challenger.num_failed,
            trials=self.challenger.num_tasks,
            baseline_failures=self.baseline.num_failed,
            baseline_trials=self.baseline.num_tasks,
        )


def takes_part(experiment_id: UUID, session_id: UUID, share: int) -> bool:
    """Whether the session is among the `share` in a hundred that are told the challenger."""
    digest = sha256(experiment_id.bytes + session_id.bytes).digest()
    return int.from_bytes(digest[:8], "big") % 100 < share


@transaction.atomic
def start_experiment(
    *, challenger: PromptVersion, share: int, author: AbstractBaseUser | None = None
) -> Experiment:
    """Tell `share` in a hundred sessions the challenger from their next task on. A draft is frozen
    by it: what customers were told never changes.

    Raises ExperimentConflict when one runs already, nothing is published, or the challenger is what
    is published; and what `publish_version` raises.
    """
    prompt = Prompt.objects.select_for_update().get(pk=challenger.prompt_id)
    live = PromptVersion.objects.filter(prompt=prompt, status="published").first()
    is_running = Experiment.objects.filter(prompt=prompt, ended_at=None).exists()
    if live is None or live.pk == challenger.pk or is_running or prompt.is_block:
        raise ExperimentConflict
    freeze_version(version=challenger, author=author)
    experiment = Experiment.objects.create(
        prompt=prompt,
        baseline=live,
        challenger=challenger,
        share=Experiment.Share(share),
        author_id=author.pk if author else None,
    )
    record_new(experiment)
    touch_configuration(prompt.tenant_id)
    return experiment


@transaction.atomic
def change_share(*, experiment: Experiment, share: int) -> None:
    """Let more, or fewer, sessions take part. Raises ExperimentConflict once it has ended."""
    running = Experiment.objects.filter(pk=experiment.pk, ended_at=None)
    if not running.update(share=Experiment.Share(share)):
        raise ExperimentConflict
    record(AuditAction.CHANGED, experiment, {"share": (experiment.share, share)})
    touch_configuration(experiment.tenant_id)


@transaction.atomic
def stop_experiment(
    *, experiment: Experiment, ending: Experiment.Ending = Experiment.Ending.STOPPED
) -> bool:
    """Everybody is told the published version again, from their next task on; False when it has
    ended before.
    """
    running = Experiment.objects.filter(pk=experiment.pk, ended_at=None)
    is_stopped = bool(running.update(ended_at=timezone.now(), ending=ending))
    if is_stopped:
        record(AuditAction.CHANGED, experiment, {"ending": (None, ending)})
        touch_configuration(experiment.tenant_id)
    return is_stopped


def list_experiments(prompt: Prompt) -> QuerySet[Experiment]:
    """The prompt's, newest first, with both versions."""
    rows = Experiment.objects.filter(prompt=prompt).select_related("baseline", "challenger")
    return rows.order_by("-id")


def get_experiment(prompt: Prompt, experiment_id: UUID) -> Experiment:
    """Raises ExperimentNotFound."""
    experiment = list_experiments(prompt).filter(pk=experiment_id).first()
    if experiment is None:
        raise ExperimentNotFound
    return experiment


def results_of(experiment: Experiment) -> Results:
    """Of both versions since the experiment began. Needs its scope."""
    ids = (experiment.baseline_id, experiment.challenger_id)
    found = outcomes_of(ids, since=experiment.started_at)
    return Results(found[ids[0]], found[ids[1]])


def find_running() -> list[tuple[UUID, UUID]]:
    """All experiments that run, of all tenants: (tenant, experiment)."""
    # The clock serves all tenants; it enters the scope of each.
    with scopes_disabled():
        rows = Experiment.objects.filter(ended_at=None).order_by("id")
        return list(rows.values_list("tenant_id", "id"))


def take_back_if_worse(experiment_id: UUID) -> bool:
    """End the experiment when the challenger fails more often, beyond doubt. Needs its scope."""
    experiment = Experiment.objects.filter(pk=experiment_id, ended_at=None).first()
    if experiment is None or not results_of(experiment).is_worse:
        return False
    return stop_experiment(experiment=experiment, ending=Experiment.Ending.WORSE)
