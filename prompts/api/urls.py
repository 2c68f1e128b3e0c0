"""The addresses of prompts, below `/api/v1/`."""

from django.urls import path

from prompts.api.case_views import CaseListView, CaseRunListView, CaseRunView, CaseView
from prompts.api.experiment_views import ExperimentListView, ExperimentStopView, ExperimentView
from prompts.api.replay_views import (
    ReplayCancelView,
    ReplayEstimateView,
    ReplayListView,
    ReplayMessagesView,
    ReplayResumeView,
    ReplayView,
)
from prompts.api.views import (
    PromptLabelListView,
    PromptLabelView,
    PromptListView,
    PromptOutcomesView,
    PromptPartsView,
    PromptPublishView,
    PromptRenderView,
    PromptVersionListView,
    PromptVersionView,
    PromptView,
)

_PROMPT = "prompts/<slug:prompt_slug>"
_EXPERIMENT = f"{_PROMPT}/experiments/<uuid:experiment_id>"
_REPLAY = f"{_PROMPT}/replays/<uuid:replay_id>"
_VERSION = "prompts/<slug:prompt_slug>/versions/<int:number>"

urlpatterns = [
    path("prompts", PromptListView.as_view(), name="prompts"),
    path("prompts/<slug:prompt_slug>", PromptView.as_view(), name="prompt"),
    path(
        "prompts/<slug:prompt_slug>/versions",
        PromptVersionListView.as_view(),
        name="prompt-versions",
    ),
    path(_VERSION, PromptVersionView.as_view(), name="prompt-version"),
    path(f"{_VERSION}/outcomes", PromptOutcomesView.as_view(), name="prompt-outcomes"),
    path(f"{_VERSION}/parts", PromptPartsView.as_view(), name="prompt-parts"),
    path(f"{_VERSION}/render", PromptRenderView.as_view(), name="prompt-render"),
    path(f"{_VERSION}/publish", PromptPublishView.as_view(), name="prompt-publish"),
    path("prompts/<slug:prompt_slug>/labels", PromptLabelListView.as_view(), name="prompt-labels"),
    path(
        "prompts/<slug:prompt_slug>/labels/<slug:label>",
        PromptLabelView.as_view(),
        name="prompt-label",
    ),
    path(f"{_PROMPT}/experiments", ExperimentListView.as_view(), name="experiments"),
    path(_EXPERIMENT, ExperimentView.as_view(), name="experiment"),
    path(f"{_EXPERIMENT}/stop", ExperimentStopView.as_view(), name="experiment-stop"),
    path(f"{_PROMPT}/test-cases", CaseListView.as_view(), name="test-cases"),
    path(f"{_PROMPT}/test-cases/<uuid:case_id>", CaseView.as_view(), name="test-case"),
    path(f"{_VERSION}/test-runs", CaseRunListView.as_view(), name="test-runs"),
    path(f"{_PROMPT}/test-runs/<uuid:run_id>", CaseRunView.as_view(), name="test-run"),
    path(f"{_VERSION}/replays", ReplayListView.as_view(), name="replays"),
    path(f"{_VERSION}/replays/estimate", ReplayEstimateView.as_view(), name="replay-estimate"),
    path(_REPLAY, ReplayView.as_view(), name="replay"),
    path(f"{_REPLAY}/messages", ReplayMessagesView.as_view(), name="replay-messages"),
    path(f"{_REPLAY}/cancel", ReplayCancelView.as_view(), name="replay-cancel"),
    path(f"{_REPLAY}/resume", ReplayResumeView.as_view(), name="replay-resume"),
]
