"""Replays in the admin: what one will cost, how far it is, and what it showed."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from orkesta.errors import OrkestaError
from prompts.admin.side_by_side import folded, side_by_side
from prompts.diff import diff_texts
from prompts.models import PromptVersion
from prompts.replay_models import PromptReplay, PromptReplayMessage, ReplayOutcome
from prompts.replays import (
    MAX_MESSAGES,
    Estimate,
    cancel_replay,
    estimate_replays,
    latest_replay,
    list_replays,
    resume_replay,
    start_replay,
)
from prompts.run_models import DraftRun
from tenants.admin.money import dollars
from tenants.admin_scope import person_of

SIZES: Final = (20, 50, 100, MAX_MESSAGES)
PER_PAGE: Final = 20
_TONES: Final = {
    ReplayOutcome.SAME: "success",
    ReplayOutcome.CHANGED: "warning",
    ReplayOutcome.FELL_BACK: "danger",
    ReplayOutcome.FAILED: "danger",
    ReplayOutcome.PENDING: "default",
}
_REASONS: Final = {
    "budget": gettext_lazy("The budget of this month is used up. Raise it, and go on."),
    "edited": gettext_lazy("The text was changed meanwhile: begin again with the new one."),
    "nobody_answers": gettext_lazy(
        "No active agent that has an LLM is told this prompt, so nobody can try it out."
    ),
}
_SOURCES: Final = {
    "recorded": gettext_lazy("answered with its result of then"),
    "not_made": gettext_lazy("noted, not made"),
    "refused": gettext_lazy("could not have been made"),
}


@dataclass(frozen=True, slots=True)
class SizeShown:
    """How many messages, and what they will cost, in words."""

    limit: int
    estimate: Estimate
    cost: str


class ReplayPages:
    """The views under `/admin/prompts/prompt/<prompt>/versions/<version>/replays/`; `pages` finds
    versions and knows who may do what.
    """

    def __init__(self, pages: Any) -> None:
        self.pages = pages

    def urls(self) -> list[URLPattern]:
        replays = "<uuid:prompt_id>/versions/<uuid:version_id>/replays/"
        one = f"{replays}<uuid:replay_id>/"
        views: list[tuple[str, Any, str]] = [
            (replays, self.list, "list"),
            (one, require_GET(self.show), "show"),
            (f"{one}cancel/", require_POST(self.cancel), "cancel"),
            (f"{one}resume/", require_POST(self.resume), "resume"),
        ]
        wrap = self.pages.admin.admin_site.admin_view
        return [path(url, wrap(view), name=f"prompts_replay_{name}") for url, view, name in views]

    def list(self, request: HttpRequest, prompt_id: UUID, version_id: UUID) -> HttpResponse:
        """What a replay of so many messages would cost, and a button for each; and the replays that
        there were.
        """
        is_start = request.method == "POST"
        version = self.pages.version(request, prompt_id, version_id, write=is_start)
        if is_start:
            return self._start(request, version)
        context = self.pages.context(request, version, _("Replay"))
        return TemplateResponse(
            request,
            "orkesta/prompts/replay_start.html",
            context | {"sizes": _sizes(version), "replays": _rows(version)},
        )

    def show(
        self, request: HttpRequest, prompt_id: UUID, version_id: UUID, replay_id: UUID
    ) -> HttpResponse:
        """The figures, and old and new answers word by word. While it runs the page asks for
        itself again, and is given the part that changes.
        """
        version = self.pages.version(request, prompt_id, version_id)
        replay = _find(version, replay_id)
        context = self.pages.context(request, version, _("Replay"))
        context |= shown_replay(replay) | _messages(request, replay)
        if "HX-Request" in request.headers:
            return render(request, "orkesta/prompts/replay_body.html", context)
        return TemplateResponse(request, "orkesta/prompts/replay.html", context)

    def cancel(
        self, request: HttpRequest, prompt_id: UUID, version_id: UUID, replay_id: UUID
    ) -> HttpResponse:
        return self._act(request, prompt_id, version_id, replay_id, cancel_replay)

    def resume(
        self, request: HttpRequest, prompt_id: UUID, version_id: UUID, replay_id: UUID
    ) -> HttpResponse:
        return self._act(request, prompt_id, version_id, replay_id, resume_replay)

    def _start(self, request: HttpRequest, version: PromptVersion) -> HttpResponse:
        limit = request.POST.get("limit", "")
        try:
            replay = start_replay(
                version=version,
                limit=int(limit) if limit in map(str, SIZES) else SIZES[0],
                author=person_of(request),
            )
        except OrkestaError as exc:
            messages.error(request, self.pages.said(exc))
            return _to("list", version)
        note = f"Replay of {replay.num_parts} messages under v{version.number}."
        self.pages.admin.log_change(request, version.prompt, note)
        return _to("show", version, replay.pk)

    def _act(
        self, request: HttpRequest, prompt_id: UUID, version_id: UUID, replay_id: UUID, act: Any
    ) -> HttpResponse:
        version = self.pages.version(request, prompt_id, version_id, write=True)
        try:
            act(_find(version, replay_id))
        except OrkestaError as exc:
            messages.error(request, self.pages.said(exc))
        return _to("show", version, replay_id)


def shown_replay(replay: PromptReplay | None) -> dict[str, Any]:
    """The context for `orkesta/prompts/replay_figures.html`."""
    if replay is None:
        return {"replay": None}
    return {
        "replay": replay,
        "replay_reason": reason_of(replay),
        "replay_percent": 100 * replay.num_done // max(1, replay.num_parts),
        "replay_counts": [
            (f"{outcome.label} {number}", _TONES[outcome])
            for outcome in ReplayOutcome
            if outcome is not ReplayOutcome.PENDING
            and (number := getattr(replay, f"num_{outcome}"))
        ],
        "replay_old_cost": dollars(replay.old_cost_nano),
        "replay_new_cost": dollars(replay.new_cost_nano),
        "replay_tokens": replay.new_tokens - replay.old_tokens,
        "replay_estimate": dollars(replay.estimated_nano or 0),
    }


def newest_replay(version: PromptVersion) -> dict[str, Any]:
    """`shown_replay` of the newest replay of the text that the version has now."""
    return shown_replay(latest_replay(version))


def reason_of(run: DraftRun) -> Any:
    """Why the run waits, or ended early, in words; empty when there is nothing to say."""
    return _REASONS.get(run.reason, run.reason)


def _sizes(version: PromptVersion) -> list[SizeShown]:
    """The sizes that there are messages for; the last one may take fewer."""
    found = zip(SIZES, estimate_replays(version, SIZES), strict=True)
    shown: dict[int, SizeShown] = {}
    for limit, estimate in found:
        if estimate.num_messages:
            cost = dollars(estimate.cost_nano)
            shown.setdefault(estimate.num_messages, SizeShown(limit, estimate, cost))
    return list(shown.values())


def _rows(version: PromptVersion) -> list[dict[str, Any]]:
    rows = list_replays(version).select_related("author")[:PER_PAGE]
    return [shown_replay(replay) for replay in rows]


def _messages(request: HttpRequest, replay: PromptReplay) -> dict[str, Any]:
    rows = PromptReplayMessage.objects.filter(replay=replay).order_by("position")
    rows = rows.exclude(outcome=ReplayOutcome.PENDING)
    wanted = request.GET.get("outcome", "")
    if wanted in ReplayOutcome.values:
        rows = rows.filter(outcome=wanted)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return {
        "wanted": wanted,
        "outcomes": [
            (one.value, one.label) for one in ReplayOutcome if one is not ReplayOutcome.PENDING
        ],
        "page": page,
        "rows": [_row(message) for message in page],
    }


def _row(message: PromptReplayMessage) -> dict[str, Any]:
    diff = diff_texts(message.old_answer, message.new_answer)
    return {
        "message": message,
        "tone": _TONES[ReplayOutcome(message.outcome)],
        "is_changed": diff.is_changed,
        "lines": list(folded(side_by_side(diff.rows))),
        "tokens": message.new_tokens - message.old_tokens,
        "old_cost": dollars(message.old_cost_nano),
        "new_cost": dollars(message.new_cost_nano),
        "calls": [(call["name"], _SOURCES.get(call["source"], "")) for call in message.calls],
    }


def _find(version: PromptVersion, replay_id: UUID) -> PromptReplay:
    replay = PromptReplay.objects.filter(version=version, pk=replay_id).first()
    if replay is None:
        raise Http404
    return replay


def _to(name: str, version: PromptVersion, *more: UUID) -> HttpResponse:
    ids = (version.prompt_id, version.pk, *more)
    return HttpResponseRedirect(reverse(f"admin:prompts_replay_{name}", args=ids))
