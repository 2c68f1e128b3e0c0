"""The addresses of prompts, below `/api/v1/`."""

from django.urls import path

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
]
